"""`synth street --realism edges2image`: the pictures of a street folder, redrawn from their edges (SSZ, section 3.4, Fig. 6).

DIR/realism.json         which weights redrew the pictures
DIR/rendered/NAME.png    the picture as it was rendered; images/NAME.png is what the network makes of its edges
"""

from __future__ import annotations

import enum
import json
from pathlib import Path

from voxcli.cli.framework.output import out
from voxcli.errors import UsageError
from voxcli.version import __version__


class Realism(str, enum.Enum):
    """How rendered pictures become realistic."""

    edges2image = "edges2image"


def check_realism(folder: str, realism: Realism | None, weights: str | None, overwrite: bool) -> None:
    """Raise UsageError where weights are missing, or where the folder holds pictures redrawn otherwise and they are not to be overwritten.
    Called before a scene is made.
    """
    if realism is None:
        if weights is not None:
            raise UsageError("--realism-weights goes with --realism edges2image.")
        if (Path(folder) / "realism.json").exists() and not overwrite:
            raise UsageError(f"{folder} holds pictures redrawn from edges.",
                             hint="Add the same --realism or choose another folder; --overwrite replaces them.")  # fmt: skip
        return
    hint = "Train them: voxcli train -m edges2image --data PICTURES/ -o run/, then --realism-weights run/best.safetensors"
    if weights is None:
        raise UsageError("--realism edges2image needs weights, and none are shipped.", expected="--realism-weights FILE", hint=hint)
    from voxcli.models.registry import load_network

    load_network(realism.value, weights, "cpu")
    path = Path(folder) / "realism.json"
    if path.exists() and path.read_bytes() != _record(weights) and not overwrite:
        raise UsageError(f"{folder} was redrawn with other weights.",
                         hint="Choose another folder or the same weights; --overwrite replaces it.")  # fmt: skip


def _record(weights: str) -> bytes:
    from voxcli.provenance import sha256_file

    record = {"schema": "voxcli/realism", "method": "edges2image", "weights": sha256_file(weights), "voxcli_version": __version__}
    return json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"


def redraw(folder: str, weights: str, device: str = "auto") -> int:
    """Redraw the picture of every whole sample that is still as it was rendered. Returns how many. An interrupted call can be resumed."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.files import read_as, write
    from voxcli.models.base import RedrawsPictures
    from voxcli.models.registry import load_network
    from voxcli.scene import Picture

    root = Path(folder)
    atomic_write_bytes(root / "realism.json", _record(weights), overwrite=True)
    todo = [path.stem for path in sorted((root / "fruxels").glob("*.npz")) if _as_rendered(root, path.stem)]
    if not todo:
        return 0
    translator = load_network(Realism.edges2image.value, weights, device)
    assert isinstance(translator, RedrawsPictures)
    with out.progress(len(todo), "redrawing") as bar:
        for name in todo:
            image, rendered = root / "images" / f"{name}.png", root / "rendered" / f"{name}.png"
            atomic_write_bytes(rendered, image.read_bytes(), overwrite=True)
            write(image, Picture(translator.translate(read_as(rendered, Picture).rgb)), overwrite=True)
            bar.advance(1)
    return len(todo)


def _as_rendered(root: Path, name: str) -> bool:
    image, rendered = root / "images" / f"{name}.png", root / "rendered" / f"{name}.png"
    return not rendered.exists() or rendered.read_bytes() == image.read_bytes()
