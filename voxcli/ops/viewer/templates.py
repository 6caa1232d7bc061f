"""Pages from templates: a head that all pages share, a body, and texts in the places of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent


def filled(body: Path, texts: Mapping[str, str]) -> str:
    """The page whose body a file has. texts: what stands in place of each @@NAME@@."""
    pieces = ((HERE / "head.html").read_text(encoding="utf-8") + body.read_text(encoding="utf-8")).split("@@")
    return "".join(texts[piece] if k % 2 else piece for k, piece in enumerate(pieces))
