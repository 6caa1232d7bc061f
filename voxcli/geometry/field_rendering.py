"""Pictures of occupancy fields: section 3.3 of JOF (Liu, Tran and Liu, Fully Understanding Generic Objects).

A field takes points [B, N, 3] of B shapes to occupancy [B, N] in 0..1, larger inside. Shapes lie in the cube [-reach, reach]^3. A
projection [B, 3, 4] is a full perspective one, P [x, 1] = d [u, v, 1] with u, v in pixels (the centre of the top-left pixel is
(0.5, 0.5)) and d > 0 in front of the camera. The search for surface points is not differentiable; everything after it is: in the light,
the projection, and whatever field and albedo are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import torch
from torch import Tensor

from voxcli.errors import UsageError
from voxcli.geometry.lighting import harmonic_basis
from voxcli.shapes import check_shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

_FLAT = 1e-8  # slope of an occupancy below which it has no direction

Field = Callable[[Tensor], Tensor]
"""Points [B, N, 3] -> occupancy [B, N], or albedo [B, N, 3] in 0..1."""


class Surface(NamedTuple):
    """Where each ray ends: depth d [B, N], and hit [B, N]: whether that is an interior point. A ray that hits nothing ends at the
    exterior point of the largest occupancy."""

    depth: Tensor
    hit: Tensor


class FieldPicture(NamedTuple):
    """One row a pixel. colour, albedo, shading, normals, points [B, N, 3]; occupancy, depth [B, N]; hit [B, N] bool."""

    colour: Tensor
    albedo: Tensor
    shading: Tensor
    normals: Tensor
    points: Tensor
    occupancy: Tensor
    depth: Tensor
    hit: Tensor


def pixel_lattice(size: int, side: int, device: torch.device | str = "cpu") -> Tensor:
    """Centres [side * side, 2] of side x side equal squares that a picture of size x size pixels divides into, row by row, as (u, v).

    >>> pixel_lattice(4, 2).tolist()
    [[1.0, 1.0], [3.0, 1.0], [1.0, 3.0], [3.0, 3.0]]
    """
    along = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (size / side)
    v, u = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([u, v], -1).reshape(-1, 2)


def camera_centres(projection: Tensor) -> Tensor:
    """Where the cameras stand: [B, 3].

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> camera_centres(P).add(0).tolist()
    [[0.0, 0.0, -4.0]]
    """
    centres: Tensor = -torch.linalg.solve(projection[..., :3], projection[..., 3])
    return centres


def unproject(projection: Tensor, pixels: Tensor, depth: Tensor) -> Tensor:
    """Equation (2), x = P^-1 u: points [B, N, 3] of pixels [N, 2] or [B, N, 2] at depths [B, N]. Differentiable in all.

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> unproject(P, torch.tensor([[1.0, 1.0]]), torch.tensor([[4.0]])).tolist()
    [[[0.0, 0.0, 0.0]]]
    """
    check_shape(projection, "B 3 4", "projections")
    u = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1) * depth[..., None]  # [B, N, 3]
    points: Tensor = torch.linalg.solve(projection[..., :3], (u - projection[:, None, :, 3]).transpose(1, 2)).transpose(1, 2)
    return points


def project_points(projection: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels [B, N, 2] and depths [B, N] of points [B, N, 3].

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> pixels, depth = project_points(P, torch.zeros(1, 1, 3))
    >>> pixels.tolist(), depth.tolist()
    ([[[1.0, 1.0]]], [[4.0]])
    """
    check_shape(projection, "B 3 4", "projections")
    u = points @ projection[..., :3].transpose(1, 2) + projection[:, None, :, 3]
    return u[..., :2] / u[..., 2:], u[..., 2]


def ray_cube_spans(projection: Tensor, pixels: Tensor, reach: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """(nearest depth, farthest depth, whether the ray meets the cube), each [B, N].

    A ray that passes by has both depths where it comes closest to the middle.

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> near, far, meets = ray_cube_spans(P, torch.tensor([[1.0, 1.0]]))
    >>> near.item(), far.item(), meets.item()
    (3.0, 5.0, True)
    """
    zero = projection.new_zeros(len(projection), pixels.shape[-2])
    centre = camera_centres(projection)[:, None]  # [B, 1, 3]
    direction = unproject(projection, pixels, zero + 1) - centre  # of depth 1
    slope = torch.where(direction.abs() < 1e-12, torch.full_like(direction, 1e-12), direction)
    low, high = (-reach - centre) / slope, (reach - centre) / slope
    near = torch.minimum(low, high).amax(-1).clamp_min(0)
    far = torch.maximum(low, high).amin(-1)
    meets = far > near
    beside = (-(centre * direction).sum(-1) / (direction * direction).sum(-1)).clamp_min(0)
    return torch.where(meets, near, beside), torch.where(meets, far, beside), meets


class Search(TypedDict, total=False):
    """How `find_surface` searches along rays."""

    evaluations: int
    refinements: int


@torch.no_grad()
def find_surface(
    field: Field, projection: Tensor, pixels: Tensor, *, evaluations: int = 40, refinements: int = 8, threshold: float = 0.5,
    reach: float = 1.0, together: int = 8,
) -> Surface:  # fmt: skip
    """The first interior point along each ray, by Linear search (refinements = 0) or Linear-Binary search.

    evaluations: of the field along each ray, the refinements among them. The linear part takes equal steps through the cube; each
    refinement halves the interval between the last exterior and the first interior point. together: steps that are evaluated at once.

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> def ball(points):
    ...     return torch.sigmoid(20 * (0.5 - points.norm(dim=-1)))
    >>> surface = find_surface(ball, P, torch.tensor([[1.0, 1.0], [2.0, 2.0]]), refinements=16)
    >>> round(surface.depth[0, 0].item(), 2), surface.hit.tolist()                    # 4 to the centre, less the radius
    (3.5, [[True, False]])
    """
    steps = evaluations - refinements
    if steps < 1 or refinements < 0 or together < 1:
        raise UsageError("A search needs a step of its linear part.", actual=f"{evaluations} evaluations, {refinements} refinements")
    near, far, meets = ray_cube_spans(projection, pixels, reach)
    step = (far - near) / steps

    def occupancy(depth: Tensor) -> Tensor:
        """[B, N, S] -> [B, N, S]."""
        count = depth.shape[-1]
        points = torch.stack([unproject(projection, pixels, depth[..., k]) for k in range(count)], 2)  # [B, N, S, 3]
        values: Tensor = field(points.flatten(1, 2)).unflatten(1, (-1, count))
        return values

    hit = torch.zeros_like(meets)
    inner = best_depth = near + 0.5 * step
    best = torch.full_like(near, -1)
    for first in range(0, steps, together):
        places = torch.arange(first, min(first + together, steps), device=near.device)
        depth = near[..., None] + (places + 0.5) * step[..., None]
        found = occupancy(depth)  # [B, N, S]
        inside = (found > threshold) & meets[..., None]
        arrived = inside.any(-1) & ~hit
        at = inside.to(torch.uint8).argmax(-1, keepdim=True)
        inner = torch.where(arrived, depth.gather(-1, at)[..., 0], inner)
        hit = hit | arrived
        most, where = found.max(-1)
        better = (most > best) & ~hit
        best, best_depth = torch.where(better, most, best), torch.where(better, depth.gather(-1, where[..., None])[..., 0], best_depth)
        if bool(hit.all()):
            break
    outer = torch.maximum(inner - step, near)
    for _ in range(refinements):
        middle = (outer + inner) / 2
        inside = occupancy(middle[..., None])[..., 0] > threshold
        inner, outer = torch.where(inside, middle, inner), torch.where(inside, outer, middle)
    return Surface(torch.where(hit, inner, best_depth), hit)


def occupancy_normals(field: Field, points: Tensor, differentiable: bool = True) -> tuple[Tensor, Tensor]:
    """Outward unit normals [B, N, 3], minus the normalised gradient of the occupancy, and the occupancy [B, N].

    differentiable: normals can be differentiated once more. Where the field is flat, the normal is 0.

    >>> def ball(points):
    ...     return torch.sigmoid(20 * (0.5 - points.norm(dim=-1)))
    >>> normals, occupancy = occupancy_normals(ball, torch.tensor([[[0.0, 0.5, 0.0]]]))
    >>> normals.detach().round(decimals=4).tolist(), occupancy.item()
    ([[[0.0, 1.0, 0.0]]], 0.5)
    """
    with torch.enable_grad():
        x = points if points.requires_grad else points.detach().requires_grad_()
        occupancy = field(x)
        (gradient,) = torch.autograd.grad(occupancy.sum(), x, create_graph=differentiable)
    # Far outside, a sigmoid is flat to the last bit: a direction would be noise, and its derivative infinite.
    steep = gradient.detach().abs().amax(-1, keepdim=True) > _FLAT
    safe = torch.where(steep, gradient, torch.ones_like(gradient))
    normals = torch.where(steep, -safe / safe.norm(dim=-1, keepdim=True), torch.zeros_like(safe))
    return normals, occupancy if differentiable else occupancy.detach()


def shading_of(normals: Tensor, light: Tensor) -> Tensor:
    """C of equation (3): sum of gamma_b H_b(n). normals [B, N, 3], light gamma [B, 3, 9] -> [B, N, 3].

    H_b are the orthonormal harmonics of `lighting.harmonic_basis`; the cosine lobe of a Lambertian surface is a part of gamma, as the
    paper writes it: gamma = lobe x radiance (see `radiance_of`).

    >>> light = torch.zeros(1, 3, 9)
    >>> light[..., 0] = (4 * torch.pi) ** 0.5                                        # the same from everywhere
    >>> shading_of(torch.tensor([[[0.0, 0.0, 1.0]]]), light).round(decimals=5).tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    check_shape(light, "B 3 9", "light")
    basis = harmonic_basis(normals.transpose(1, 2)[..., None])[..., 0]  # [B, 9, N]
    return (light @ basis).transpose(1, 2)


_LOBE = (1.0, *(2 / 3,) * 3, *(1 / 4,) * 5)


def radiance_of(light: Tensor) -> Tensor:
    """gamma [*, 3, 9] as the environment's radiance, which `lighting.harmonic_light` takes.

    >>> radiance_of(torch.ones(1, 9))[0, [0, 1, 4]].tolist()
    [1.0, 1.5, 4.0]
    """
    return light / light.new_tensor(_LOBE)


def light_of(radiance: Tensor) -> Tensor:
    """The inverse of `radiance_of`.

    >>> light_of(radiance_of(torch.ones(1, 9))).tolist() == [[1.0] * 9]
    True
    """
    return radiance * radiance.new_tensor(_LOBE)


def form_picture(
    field: Field, albedo: Field, projection: Tensor, light: Tensor, pixels: Tensor, surface: Surface, differentiable: bool = True
) -> FieldPicture:
    """Equation (3) at surface points that a search has found: I = A C. Differentiable in projection, light, and field and albedo's own.

    light [B, 3, 9]: gamma, in the shape's frame.

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> def ball(points):
    ...     return torch.sigmoid(20 * (0.5 - points.norm(dim=-1)))
    >>> pixels, light = torch.tensor([[1.0, 1.0]]), torch.zeros(1, 3, 9)
    >>> light[..., 0] = (4 * torch.pi) ** 0.5
    >>> surface = find_surface(ball, P, pixels)
    >>> picture = form_picture(ball, lambda points: torch.full_like(points, 0.25), P, light, pixels, surface)
    >>> picture.colour.detach().round(decimals=5).tolist()
    [[[0.25, 0.25, 0.25]]]
    """
    points = unproject(projection, pixels, surface.depth.detach())
    normals, occupancy = occupancy_normals(field, points, differentiable)
    reflected = albedo(points)
    shading = shading_of(normals, light)
    return FieldPicture(reflected * shading, reflected, shading, normals, points, occupancy, surface.depth, surface.hit)


def render_field(
    field: Field, albedo: Field, projection: Tensor, light: Tensor, pixels: Tensor, *, differentiable: bool = True, **search: Unpack[Search]
) -> FieldPicture:
    """The whole layer: search (see `find_surface` for its settings), then `form_picture`.

    >>> P = torch.tensor([[[2.0, 0, 1, 4], [0, 2, 1, 4], [0, 0, 1, 4]]])
    >>> def ball(points):
    ...     return torch.sigmoid(20 * (0.5 - points.norm(dim=-1)))
    >>> picture = render_field(ball, torch.ones_like, P, torch.zeros(1, 3, 9), torch.tensor([[1.0, 1.0]]), refinements=16)
    >>> picture.hit.tolist(), picture.points.detach().abs().round(decimals=2).tolist()
    ([[True]], [[[0.0, 0.0, 0.5]]])
    """
    surface = find_surface(field, projection, pixels, **search)
    return form_picture(field, albedo, projection, light, pixels, surface, differentiable)
