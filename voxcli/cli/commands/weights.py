"""`voxcli weights ...`: what weights there are, what is in them, and weights in and out of other programs' files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import options, written
from voxcli.cli.framework.help_texts import completed_help
from voxcli.cli.framework.output import out
from voxcli.errors import DataError, UsageError
from voxcli.models.importing import import_weights, importers, recognised

if TYPE_CHECKING:
    from voxcli.models.weights import Weights
    from voxcli.provenance import Json

SCORES = Path(__file__).parents[2] / "guide" / "results" / "scores.yaml"

OneFile = Annotated[str, typer.Argument(metavar="INPUT", show_default=False, help="One file.")]
Target = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; its extension picks the format.")]


def list_(format: options.Records = None) -> None:
    """The models, the weights that come with voxcli with their size and score, whether published ones can be imported and new ones trained.

    The score is the main one of `voxcli guide results/PAGE`, which says how it was measured, on rendered scenes that no training has seen.

    Examples:
        voxcli weights list
        voxcli weights list --format json
    """
    from voxcli.models.registry import MODELS, spec_of
    from voxcli.models.weights import SHIPPED, load_weights

    rows: list[dict[str, Json]] = []
    for path in sorted(SHIPPED.glob("*.safetensors")):
        weights = load_weights(path)
        numbers = sum(t.numel() for t in weights.tensors.values())
        rows.append({"model": weights.model, "weights": path.stem, "numbers": numbers, "bytes": path.stat().st_size})
    there = {row["model"] for row in rows}
    rows += [{"model": name, "weights": None, "numbers": None, "bytes": None} for name in MODELS if name not in there]
    known, stated = scores(), ("score", "measure", "unit", "data", "page")
    for row in rows:
        spec = spec_of(str(row["model"]))
        row |= {"shipped": row["weights"] is not None, "importable": spec.importer is not None, "trainable": bool(spec.package)}
        row |= {key: known.get(str(row["weights"]), {}).get(key) for key in stated}
    chosen = format.value if format else "table" if out.on_terminal else "jsonl"
    out.records([_short(row) for row in rows] if chosen == "table" else rows, chosen)


def scores() -> dict[str, dict[str, Json]]:
    """The main score of each weights file, as the pages of results state it: score, measure, unit, data, page."""
    from voxcli import config

    return {name: dict(row) for name, row in config.load(SCORES).items() if isinstance(row, Mapping)}


def _short(row: dict[str, Json]) -> dict[str, Json]:
    """A line for people, which 80 columns hold: shipped weights by their name, size and score each in one column."""
    size, score = row["bytes"], row["score"]
    kept: dict[str, Json] = {"model": row["model"], "shipped": row["weights"]}
    kept |= {word: "yes" if row[key] else None for word, key in (("import", "importable"), ("train", "trainable"))}
    unit = {"share": "", "per cent": " %"}.get(str(row["unit"]), f" {row['unit']}")
    return kept | {"size": None if size is None else f"{int(str(size)) / 1e6:.1f} MB",
                   "score": None if score is None else f"{score}{unit} {row['measure']}; {row['data']}"}  # fmt: skip


def info(sources: options.Sources) -> None:
    """Facts about weights: model, version, configuration, label names, what they were trained on, numbers in each part.

    Files, or shipped weights by their names.

    Examples:
        voxcli weights info best.safetensors
        voxcli weights info ssz
        voxcli weights info run/best.safetensors best.safetensors
    """
    from voxcli.cli.framework.inputs import expand
    from voxcli.models.weights import find_weights, is_shipped, load_weights, shared_of
    from voxcli.provenance import sha256_file

    found: list[str] = []
    several = len(sources) > 1
    for source in sources:
        if is_shipped(source):
            found.append(source)
        else:
            inputs, many = expand([source], (".safetensors",))
            found += [each.path for each in inputs]
            several |= many
    rows = []
    for each in found:
        weights = load_weights(each)
        parts: dict[str, int] = {}
        for key, tensor in weights.tensors.items():
            part = key.partition(".")[0]
            parts[part] = parts.get(part, 0) + tensor.numel()
        facts = {"model": weights.model, "numbers": parts, "config": weights.config, **weights.facts}
        if (shared := shared_of(each)) is not None:
            facts["shared"] = vars(shared)
        rows.append({"file": each, "sha256": sha256_file(find_weights(each)), **facts})
    out.json(rows if several else rows[0])


def export(
    source: OneFile,
    output: Target,
    generator_only: Annotated[bool, typer.Option("--generator-only", help="Leave the discriminator out: smaller, but no poses.")] = False,
    familiar: Annotated[
        str | None,
        typer.Option("--familiar", metavar="DIR", help="Data like the training: predict will warn of pictures unlike it (rays)."),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option("--share", metavar="WEIGHTS", help="Leave out what shipped weights hold of the same encoder, such as rays."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Weights for elsewhere: .safetensors (half precision, with all facts) or .pt (a plain state_dict in float32 for torch.load).

    Examples:
        voxcli weights export best.safetensors -o small.safetensors --generator-only
        voxcli weights export best.safetensors -o state.pt
    """
    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.cli.framework.inputs import expand
    from voxcli.models.weights import load_weights, save_weights, shared_with
    from voxcli.scene import Picture
    from voxcli.training import exporting

    target = _target(output, (".safetensors", ".pt"), overwrite)
    if share is not None and target.suffix != ".safetensors":
        raise UsageError("--share leaves the encoder to shipped weights, which other programs do not read.", expected="-o FILE.safetensors",
                         actual=output)  # fmt: skip
    weights = load_weights(source)
    if share is not None:
        weights = shared_with(weights, share)
        beginning = weights.shared.here(weights.shared.names) if weights.shared else ""
        of = sum(name.startswith(beginning) for name in weights.tensors)
        out.note(f"{source}: {len(weights.left)} of {of} tensors of the encoder are left to the shipped weights {share}")
    if generator_only:
        weights = exporting.without_discriminator(weights)
    if familiar is not None:
        images = os.path.join(familiar, "images")
        inputs, _ = expand([images if os.path.isdir(images) else familiar], (".png", ".jpg", ".jpeg"))
        weights = exporting.with_familiarity(weights, (files.read_as(each.path, Picture) for each in inputs))
    if target.suffix == ".safetensors":
        save_weights(target, exporting.without_origin(weights))
    else:
        atomic_write_bytes(target, exporting.state_dict_bytes(weights), overwrite=True)
    written.add(str(target), f"weights of {weights.model}, {target.stat().st_size / 1e6:.1f} MB")


def _importers() -> str:
    return " ".join(dict.fromkeys(importer.help for importer in importers().values())).replace("\n", "\n    ")


@completed_help(importers=_importers)
def import_(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="[MODEL] INPUT...", show_default=False, help="The checkpoint, or its FOLDER; its model before it, or -m."),
    ],
    output: Target,
    model: options.Model = None,
    half: Annotated[bool, typer.Option("--half", help="Round floats to half precision (float16): half the size, other digits.")] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Turn an official checkpoint into voxcli weights. Only tensors and numbers are read: a checkpoint cannot run code here.

    Numbers keep the checkpoint's own precision, unless --half rounds them.

    {importers} What of a file was left out, and how much was used, stands on stderr; -v names every
    tensor.

    Examples:
        voxcli weights import latest_net_G.pth -m z-gan -o z-gan.safetensors
        voxcli weights import pix2vox-f Pix2Vox-F-ShapeNet.pth -o pix2vox-f.safetensors --half
        voxcli weights import uclid UCLID_Net_all_classes.pth image2cam_all_classes.pth -o uclid.safetensors
    """
    from voxcli.atomic import check_there
    from voxcli.models.weights import check_finite, check_fits_half, save_weights

    name, given = (sources[0], sources[1:]) if len(sources) > 1 and model is None else (model, sources)
    for source in given:
        check_there(source)
    if name is None:
        name = _recognised(given[0])
    target = _target(output, (".safetensors",), overwrite)
    fates: dict[str, list[str]] = {"used": [], "filled": [], "left": []}
    weights = import_weights(name, given, lambda fate, entry: fates[fate].append(entry))
    try:
        check_finite(weights)
    except DataError as error:
        raise DataError(f"{', '.join(given)}: {error.message}", actual=error.actual, hint="The file is damaged.") from error
    if half:
        check_fits_half(weights)
    save_weights(target, weights, half)
    _report(", ".join(given), fates)
    if half:
        out.note(f"rounded to half precision: numbers differ from the checkpoint's by up to {_rounding(weights):.2g}")


def _rounding(weights: Weights) -> float:
    """The largest change that half precision makes to any number."""
    floats = [t for t in weights.tensors.values() if t.is_floating_point() and t.numel()]
    return max((float((t.half().double() - t.double()).abs().max()) for t in floats), default=0.0)


def _recognised(source: str) -> str:
    """The model that a checkpoint is of, where its tensors tell. Raises UsageError where they do not."""
    name = None if os.path.isdir(source) else recognised(source)
    if name is None:
        known = ", ".join(model for model, importer in importers().items() if importer.recognises)
        raise UsageError(f"'{source}' does not say which model it is of.", expected="-m MODEL", hint=f"Told apart are those of {known}.")
    out.note(f"{source}: a checkpoint of {name}")
    return name


def _report(source: str, fates: dict[str, list[str]]) -> None:
    """Say which entries of a checkpoint were used and which were not."""
    for fate in ("used", "filled"):
        for entry in fates[fate]:
            out.detail(f"{fate}: {entry}")
    parts: dict[str, int] = {}
    for entry in fates["used"]:
        part = entry.partition(".")[0]
        parts[part] = parts.get(part, 0) + 1
    out.note(f"{source}: {len(fates['used'])} tensors used ({', '.join(f'{part} {count}' for part, count in parts.items())})")
    if fates["filled"]:
        out.note(f"filled with 0: {len(fates['filled'])} counters of batches, which the file lacks")
    out.note(f"left: {', '.join(fates['left']) or 'nothing'}")


def _target(output: str, suffixes: tuple[str, ...], overwrite: bool) -> Path:
    """The path to write to, if that is allowed."""
    path = Path(output)
    if path.suffix not in suffixes:
        raise UsageError(f"'{output}' has no extension of weights.", expected=" or ".join(suffixes))
    if path.exists() and not overwrite:
        raise UsageError(f"'{output}' is there already.", hint="Add --overwrite to replace it.")
    return path
