"""The options of one call of `voxcli fruxelize`, their checks and their record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from voxcli.cli.framework import options
from voxcli.errors import UsageError
from voxcli.ops.filling import FillOptions, check_box
from voxcli.ops.framing import AZIMUTH, ELEVATION, Framing
from voxcli.ops.limits import check_cells

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.provenance import Json
    from voxcli.scene import SceneType

VIEW = ("azimuth", "elevation", "distance")
"""Flags that place a camera for an input without one."""
CELLS = 64
"""Along the longest side of a voxel grid, where no flag says otherwise."""


@dataclass(frozen=True)
class FruxelizeRequest:
    """The options of one call, as worker processes get them."""

    class_name: str | None
    classes: str | None
    grid: str
    framing: Framing
    camera: str | None
    resolution: int | None
    rule: str | None
    fill: str | None
    device: str
    formats: options.Formats
    overwrite: bool
    box: tuple[float, float, float, float, float, float] | None = None
    shape: tuple[int, int, int] | None = None

    @property
    def given(self) -> dict[str, Json]:
        """The options that were given, by name."""
        given = {name: value for name, value in vars(self).items() if name not in ("framing", "formats", "overwrite")}
        return {name: value for name, value in (given | vars(self.framing)).items() if value is not None}

    @property
    def cells(self) -> int:
        """Cells along the longest side of a voxel grid."""
        return CELLS if self.resolution is None else self.resolution

    @property
    def rule_and_fill(self) -> tuple[str, str]:
        """The rule and the fill, given or by default."""
        return self.rule or ("slab" if self.grid == "fruxel" else "centre"), self.fill or "auto"

    @property
    def fill_options(self) -> FillOptions:
        """The options of the filling and of the camera."""
        return FillOptions(self.framing, self.grid, self.cells, *self.rule_and_fill, self.class_name, self.device, self.box, self.shape)

    def check(self) -> None:
        """Raise UsageError for flags that contradict each other or mean nothing. Called before any input is read."""
        if self.class_name is not None and self.class_name.strip() in ("", "air"):
            raise UsageError("--class names what fills a cell.", expected="a class such as car", actual=f"'{self.class_name}'")
        if self.class_name is not None and self.classes is not None:
            raise UsageError("--class and --classes contradict each other.", hint="Give one of them.")
        of_fruxels = ("preset", "size", "depth", "z_near", "z_far", "fov", "camera", *VIEW)
        of_other = of_fruxels if self.grid == "voxel" else ("resolution", "box", "shape")
        given = self.given
        if unfit := [name for name in of_other if name in given]:
            other = "fruxel" if self.grid == "voxel" else "voxel"
            raise UsageError(f"--{unfit[0].replace('_', '-')} shapes a {other} grid.", hint=f"Use it with --grid {other}.")
        if self.camera is not None and (placed := [name for name in VIEW if name in given]):
            raise UsageError(f"--camera and --{placed[0]} contradict each other.", hint="Give one of them.")
        if self.fill == "outside" and self.rule is not None:
            raise UsageError("--rule has no meaning for --fill outside: a cell is filled that the surface touches.", hint="Leave it out.")
        if self.framing.distance is not None and self.framing.distance <= 0:
            raise UsageError("--distance must be positive.", actual=f"{self.framing.distance:g}")
        if self.framing.elevation is not None and abs(self.framing.elevation) > 90:
            raise UsageError("--elevation must lie between -90 and 90 degrees.", actual=f"{self.framing.elevation:g}")
        if self.resolution is not None and self.shape is not None:
            raise UsageError("--resolution and --shape contradict each other.", hint="Give one of them.")
        if self.shape is not None and min(self.shape) < 1:
            raise UsageError("--shape needs a cell along each axis.", actual=" ".join(map(str, self.shape)))
        check_box(self.box)
        if self.grid == "voxel":
            check_cells(*(self.shape or (self.cells,) * 3))

    def check_targets(self, todo: list[Item]) -> None:
        """Raise UsageError for an output whose format cannot hold the grid. Called before anything is computed."""
        from voxcli.files.registry import find_format, formats_writing
        from voxcli.scene import FruxelGrid, VoxelGrid

        kind, other = (FruxelGrid, VoxelGrid) if self.grid == "fruxel" else (VoxelGrid, FruxelGrid)
        for item in todo:
            found, extension = find_format(item.target, self.formats.format, choices=partial(formats_writing, kind))
            if kind not in found.writers:
                hint = "Use --grid voxel." if other is VoxelGrid and other in found.writers else None
                expected = f"one of {', '.join(formats_writing(kind))}"
                raise UsageError(f"{item.target}: {self.grid}s cannot be written as {extension}.", expected=expected, hint=hint)

    def check_input(self, source: str, thing: SceneType) -> None:
        """Raise UsageError for flags that mean nothing to this kind of input."""
        from voxcli.scene import DepthMap, PointCloud, SceneDescription, VoxelGrid

        if isinstance(thing, SceneDescription):
            name = "a scene"
            unused = dict.fromkeys(("class_name", "classes"), "it names the classes of its objects")
            if thing.camera is not None and self.grid == "fruxel":
                unused |= dict.fromkeys(VIEW, "it has its own camera")
        elif isinstance(thing, (VoxelGrid, DepthMap)):
            name = "voxels" if isinstance(thing, VoxelGrid) else "a depth map"
            unused = {"classes": "no parts are named in it", **dict.fromkeys(("rule", "fill"), "cells are looked up, not filled")}
            unused |= dict.fromkeys(VIEW, "the view is that of its camera, or of --camera")
            if isinstance(thing, VoxelGrid) and thing.labels is not None:
                unused["class_name"] = "its labels say what fills a cell"
        elif isinstance(thing, PointCloud):
            name = "points"
            unused = {"classes": "no parts are named in them", **dict.fromkeys(("rule", "fill"), "the cells are filled in which they lie")}
        else:
            return
        if unfit := [key for key in unused if key in self.given]:
            flag = "class" if unfit[0] == "class_name" else unfit[0]
            raise UsageError(f"{source}: --{flag} has no meaning for {name}: {unused[unfit[0]]}.", hint=f"Leave out --{flag}.")

    def way_of(self, filled: bool, placed: bool) -> str:
        """How a grid was filled and where it stands, in words. filled: it was rasterised. placed: a camera was placed for it."""
        rule, fill = self.rule_and_fill
        how = f"filled by the rule {rule}, --fill {fill}" if filled else "cells looked up"
        if self.grid == "voxel":
            return f"{how}, in {'--box' if self.box else 'the box around it'}"
        seen = "--camera" if self.camera else "a camera that was placed before it" if placed else "its own camera"
        return f"{how}, cropped to what {seen} sees"

    def recorded(self, filled: bool, placed: bool) -> dict[str, Json]:
        """The options for the provenance of a result. filled: it was rasterised. placed: --azimuth and its like placed the camera."""
        own = {name: value for name, value in self.given.items() if name != "device"}
        if filled:
            own["rule"], own["fill"] = self.rule_and_fill
        if placed:
            own |= {"azimuth": options.first(self.framing.azimuth, AZIMUTH), "elevation": options.first(self.framing.elevation, ELEVATION)}
        return own | ({"resolution": self.cells} if self.grid == "voxel" and self.shape is None else {})
