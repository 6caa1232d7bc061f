"""Reader of shapes in any tree: a truth is a file, and the folders above it say what it is of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.errors import UsageError
from voxcli.evaluation.pairing import pattern_of
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample
from voxcli.files.registry import searched_extensions
from voxcli.metrics.base import SHAPES
from voxcli.scene import Mesh

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


@dataclass(frozen=True)
class ShapesOptions(ReaderOptions):
    """truth: the relative path of a truth, with {category}, {id} or {name} for folders or parts of names, * for anything in one of them.
    files: other truths of the same sample by name. keep: a text file in the root with the names that count, CATEGORY/ID or ID a line."""

    truth: str = "{category}/{id}/*"
    files: dict[str, str] | None = None
    keep: str | None = None


class ShapesReader(Reader[ShapesOptions]):
    """Files of shapes. The protocol's `read.truth` says where they lie."""

    tree = "ROOT/CATEGORY/ID/model.obj, or as --set 'protocol.read.truth=\"{category}/{id}.ply\"' says"
    Options = ShapesOptions

    @classmethod
    def expected(cls, options: ShapesOptions) -> str:
        """The paths of the options, where they state some."""
        if options.truth == ShapesOptions.truth:
            return cls.tree
        named = (options.truth, *(options.files or {}).values())
        return " and ".join("ROOT/" + re.sub(r"\{(\w+)\}", lambda field: field[1].upper(), each) for each in named)

    def __init__(self, root: Path, options: ShapesOptions):
        super().__init__(root, options)
        self.paths: list[Path] = []
        pattern, wild = pattern_of(options.truth), re.sub(r"\{\w+\}", "*", options.truth)
        kept = None if options.keep is None else {*(root / options.keep).read_text(encoding="utf-8").split()}
        seen: dict[str, Path] = {}
        shapes = searched_extensions(*SHAPES) if wild.endswith("*") else None
        for path in sorted(path for path in root.glob(wild) if path.is_file()):
            if shapes is not None and path.suffix.lower() not in shapes:
                continue  # such as the materials of a mesh
            match = pattern.fullmatch(path.relative_to(root).as_posix())
            if match is None:
                continue
            found = match.groupdict()
            name = found.get("name") or "/".join(found[key] for key in ("category", "id", "view") if key in found)
            category, own = found.get("category", ""), found.get("id", name)
            if kept is not None and not {name, own} & kept:
                continue
            if name in seen:
                raise UsageError(f"Two truths have the name '{name}'.", actual=f"{seen[name]} and {path}",
                                 hint="Name the file: --set 'protocol.read.truth=\"{category}/{id}/model.obj\"'.")  # fmt: skip
            seen[name] = path
            self.samples.append(Sample(name, category, own, found.get("view", "")))
            self.paths.append(path)

    def truth(self, index: int, which: str) -> Shape | Path:
        """The file."""
        if which == "":
            return self.paths[index]
        sample = self.samples[index]
        assert self.options.files is not None
        return self.root / self.options.files[which].format(**sample.fields())


@dataclass(frozen=True)
class UnseenOptions(ShapesOptions):
    """seen: categories that are left out, those of the training. categories: those to keep; None: all. each: so many shapes of a category,
    spread evenly; None: all."""

    seen: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    each: int | None = None


class UnseenReader(ShapesReader):
    """Meshes whose codes are fitted to them: there is no picture. Their truth is the mesh."""

    tree = "ROOT/SYNSET/ID/model.obj (ShapeNetCore.v1), or as --set 'protocol.read.truth=\"{category}/{id}.ply\"' says"
    task = "codes"
    Options = UnseenOptions

    def __init__(self, root: Path, options: UnseenOptions):
        super().__init__(root, options)
        of: dict[str, list[int]] = {}
        for k, sample in enumerate(self.samples):
            of.setdefault(sample.category, []).append(k)
        kept_names = set(of if options.categories is None else options.categories) - set(options.seen)
        kept: list[int] = []
        for category in (category for category in of if category in kept_names):
            some = of[category]
            count = min(options.each or len(some), len(some))
            kept += [some[n * len(some) // count] for n in range(count)]
        self.samples, self.paths = [self.samples[k] for k in kept], [self.paths[k] for k in kept]

    def fitted(self, index: int) -> Mesh:
        """The mesh."""
        from voxcli import files

        return files.read_as(self.paths[index], Mesh)
