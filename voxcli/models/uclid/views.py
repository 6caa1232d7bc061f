"""What the main network is told of each view besides the picture: where its camera stands, and how deep what it sees lies.

Either may be given or regressed, in any combination (UCLID-Net, section 3 and Figure 9 (a)).
"""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.geometry.backproject import Compat, depth_cloud, depth_grids
from voxcli.models.uclid.network import SIZES, UCLID
from voxcli.models.uclid.regressors import fixed_projection

LEAST = 0.02
"""Share of a given depth map's points that must lie within the object's cube; with fewer, camera and depth do not belong together."""


USUAL = 0.4
"""Half the longest side of an object whose box has a diagonal of 1, as ShapeNet's have, where nothing says more: between 0.29 and 0.5."""


def view_grids(
    network: UCLID, images: Tensor, projection: Tensor | None = None, depth: Tensor | None = None, *, checked: bool = True
) -> list[Tensor]:
    """G_1 .. G_4 of views. images [B, 3, S, S]; projection [B, 3, 4] and z-depth [B, h, w] (NaN = nothing) in units of the cube.

    None: regressed. Raises DataError where a given depth does not fit the camera (unless not `checked`: a camera that is still being
    learnt may be anywhere), UsageError for a regressor that the weights lack.
    """
    wanted, sight = network.config.depth_channels > 0, network.seen(images)
    seen = network.depth.where_seen(sight) if depth is None and network.depth is not None and wanted else depth
    if projection is None and network.camera is None:
        raise UsageError("These weights regress no camera.", hint="Give one: --camera FILE.")
    if seen is None and wanted:
        raise UsageError("These weights regress no depth.", hint="Give it: --depth FILE.")
    motion = network.camera(sight) if projection is None and network.camera is not None else None
    if network.config.regressed == "shapenet":
        motion, seen = _in_cubes(network, sight, motion, projection, seen, depth is not None)
    if projection is None:
        assert motion is not None
        projection = fixed_projection(motion)
    matrix = projection.to(images)
    grids = binary_grids(seen, matrix, network.config.compat, checked and depth is not None) if wanted and seen is not None else []
    return network.reconstruction.grids(sight, matrix, grids)


def binary_grids(depth: Tensor, projection: Tensor, compat: Compat, given: bool = False) -> list[Tensor]:
    """The cleaned binary grids [B, N_s, N_s, N_s] of depths [B, h, w]; of given ones, refuses those that miss the cube."""
    depth, projection = depth.float(), projection.float()
    if given:
        for k, (cloud, mask) in enumerate(zip(*depth_cloud(depth, projection, compat), strict=True)):
            inside = (cloud[mask].abs() <= 1).all(-1)
            if len(inside) and inside.float().mean() < LEAST:
                raise _beside(depth[k][torch.isfinite(depth[k])], projection[k])
    return depth_grids(depth, projection, SIZES, compat)


def _beside(depth: Tensor, projection: Tensor) -> DataError:
    """The error for a depth map of which next to nothing lies in the cube: most often its unit is another."""
    centre, reach = float(projection[2, 3]), 3**0.5 * float(projection[2, :3].norm())
    middle = float(depth.median())
    hint = "Depth and camera must speak of the same place, in halves of the object's longest side."
    for factor, unit in ((1000.0, "millimetres"), (100.0, "centimetres"), (0.001, "kilometres")):
        if 0.5 < middle / factor / centre < 2:
            hint = f"It looks as if the depth were in {unit} of the camera's unit: scale it by {1 / factor:g}."
    return DataError(
        "Nothing of the depth map lies within the object's cube: another unit, or another camera?",
        expected=f"depths of {max(0.0, centre - reach):.3g} to {centre + reach:.3g}",
        actual=f"{float(depth.min()):.3g} to {float(depth.max()):.3g}", hint=hint,
    )  # fmt: skip


def _in_cubes(
    network: UCLID, sight: Tensor | list[Tensor], motion: Tensor | None, projection: Tensor | None, depth: Tensor | None, given: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Regressed cameras and depths in ShapeNet's units to those of the cube, whose half side s is not in the picture.

    The published pipeline reads s from a file of normalisation parameters. Here it follows from what is known besides: a given camera's
    distance against the regressed one, a given depth against the regressed one, or, where neither is given, how far the regressed depth
    reaches from the origin along the object's axes (ShapeNet's objects are centred there).
    """
    if projection is not None and (given or depth is None):
        return motion, depth
    if projection is not None:
        assert network.camera is not None and depth is not None
        regressed = network.camera(sight)[:, 2, 3]
        s = regressed / projection[:, 2, 3].to(regressed)
        return motion, depth / s[:, None, None]
    assert motion is not None
    if given and depth is not None:
        if network.depth is None:
            raise UsageError("These weights cannot tell the size of the object.", hint="Give its camera: --camera FILE.")
        own = network.depth.where_seen(sight)
        s = own.flatten(1).nanmedian(1).values / depth.flatten(1).nanmedian(1).values
    elif depth is not None:
        points, there = depth_cloud(depth, fixed_projection(motion))
        spans = points.abs().amax(-1)  # [B, M]
        reached = [span[mask] if mask.any() else span.new_full((1,), USUAL) for span, mask in zip(spans, there, strict=True)]
        s = torch.stack([each.quantile(0.99) for each in reached])
    else:
        s = torch.full_like(motion[:, 2, 3], USUAL)
    s = torch.nan_to_num(s, nan=USUAL).clamp(0.05, 1.0)
    motion = motion.clone()
    motion[:, :3, 3] /= s[:, None]
    return motion, depth if given or depth is None else depth / s[:, None, None]
