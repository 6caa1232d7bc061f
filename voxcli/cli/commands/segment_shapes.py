"""`segment` for shapes: meshes, voxels and points into the parts that a branched network has learnt without being told any.

A branch means the same part in every shape that one network sees, so labels agree over a folder of shapes of its categories.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxcli.errors import UsageError
from voxcli.ops.shape_parts import SHAPE_MODELS, divided

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item

SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".stl", ".ply", ".npz", ".h5", ".binvox", ".xyz", ".npy", ".mat")


def shape_model(model: str | None, weights: str | None) -> str | None:
    """The model that divides shapes into parts, where that is what is asked for: by -m, or by what the weights are of."""
    if model is None and weights is not None:
        from voxcli.models.weights import model_of

        model = model_of(weights)
    return model if model in SHAPE_MODELS else None


def check_weights(model: str, weights: str | None) -> None:
    """Raise UsageError where a model comes without weights and none are given."""
    from voxcli.models.weights import SHIPPED

    if weights is None and not (SHIPPED / f"{model}.safetensors").is_file():
        taught = f"voxcli train -m {model} --data DIR -o RUN --recipe objects-{model}-small"
        known = ", or import official checkpoints: voxcli weights import FOLDER -m jof -o FILE.safetensors" if model == "jof" else ""
        raise UsageError(f"No weights of {model} come with voxcli.", expected="--weights FILE.safetensors",
                         hint=f"Train some: {taught}{known}.")  # fmt: skip


@dataclass
class ShapeSegmenter:
    """The network of one call, loaded when the first shape comes. digest: SHA-256 of its weights."""

    model: str
    weights: str | None
    device: str
    dtype: str
    threshold: float = 0.5
    resolution: int = 64

    def __post_init__(self) -> None:
        check_weights(self.model, self.weights)
        self.network: Any = None
        self.digest: str | None = None

    def _load(self) -> None:
        from voxcli.models.registry import model_module
        from voxcli.models.weights import find_weights
        from voxcli.provenance import sha256_file

        path = find_weights(self.weights or self.model)
        self.network = model_module(self.model, "inference").load_shape_parts(path, self.device, self.dtype)
        self.digest = sha256_file(path)

    def one(self, item: Item, recorded: dict[str, Any], format: str | None, input_format: str | None, overwrite: bool) -> None:
        """Read one shape, tell its parts, write it with labels, or the list of its parts as JSON."""
        from voxcli import files
        from voxcli.files.registry import find_format
        from voxcli.ops.conversions import ConversionOptions, convert_to_format, with_provenance
        from voxcli.provenance import make_meta, sha256_file

        if self.network is None:
            self._load()
        thing = files.read(item.source, format=input_format)
        labelled, rows = divided(self.network, thing, self.threshold)
        digests = {item.source: sha256_file(item.source)} if item.source != "-" else {}
        if (format or item.target.rpartition(".")[2]).lower() == "json":
            meta = make_meta("parts", "segment", recorded, digests, None, "the shape's file", "those of the file", self.digest)
            return _write_rows(item.target, rows, meta, overwrite)
        made = convert_to_format(labelled, find_format(item.target, format)[0], None, ConversionOptions(self.resolution, self.threshold))
        made = with_provenance(made, "segment", recorded, digests, weights=self.digest)
        files.write(item.target, made, format=format, overwrite=overwrite)
        return None


def _write_rows(target: str, rows: list[dict[str, Any]], meta: dict[str, Any], overwrite: bool) -> None:
    from voxcli.atomic import atomic_write_bytes
    from voxcli.cli.framework.output import out

    body = ",\n  ".join(json.dumps(row) for row in rows)
    text = f'{{\n "parts": [\n  {body}\n ],\n "meta": {json.dumps(meta)}\n}}\n'
    if target == "-":
        out.data(text)
    else:
        atomic_write_bytes(target, text.encode(), overwrite=overwrite)
