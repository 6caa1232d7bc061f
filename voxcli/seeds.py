"""Seeds of single items. Free of torch, so that light commands and worker processes can use it at once."""

from __future__ import annotations

import hashlib


def item_seed(seed: int, name: str) -> int:
    """The seed of one item, 0 <= result < 2**63: a function of (seed, name) alone, so order, batching and workers change nothing."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest()[:8], "little") >> 1
