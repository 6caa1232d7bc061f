"""JOF at work: a picture of an object in, its surface with albedo and parts out; shapes in, their parts out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import DataError, EmptyMeshError, UsageError
from voxcli.geometry.field_rendering import find_surface, form_picture, light_of, pixel_lattice, radiance_of, shading_of
from voxcli.geometry.field_surface import FieldGrid, sample_field
from voxcli.geometry.lighting import Lights, shade
from voxcli.geometry.projections import decompose
from voxcli.geometry.surfaces import surface_mesh
from voxcli.models.base import DividesShapes, DrawsPictures, FitsShapes, Inputs, Predictor
from voxcli.models.branched.batches import TO_OWN
from voxcli.models.branched.preparation import BACKGROUND, IMAGE, coloured, prepare, standard_image
from voxcli.models.jof.fitting import fit_albedo, fit_to_image, fit_to_points
from voxcli.models.jof.network import JOF, Codes, ImageGuess, JOFConfig, projection_of
from voxcli.models.jof.rendering import fields_of, usable
from voxcli.models.jof.spec import JOFOptions
from voxcli.models.object_options import FitOptions
from voxcli.models.weights import Weights
from voxcli.ops.cutting import cut_out
from voxcli.ops.lights import LightFile
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Mesh, Picture, VoxelGrid

if TYPE_CHECKING:
    from voxcli.provenance import Json, Meta

THRESHOLD = 0.5
"""Section 3.3's tau; the surface lies there."""


class JOFPredictor(Predictor[JOF, JOFOptions, Mesh | Picture], DrawsPictures[Mesh | Picture], DividesShapes[Codes], FitsShapes):
    """A trained network. Its occupancies differ by less than other types than float32 can tell.

    cameras_known: whether the weights know what their cameras mean.
    """

    dtypes = ("float32",)
    threshold = THRESHOLD
    cameras_known: bool = True

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> JOF:
        """The network of a configuration."""
        return JOF(config.from_mapping(JOFConfig, mapping, what))

    def prepare(self, weights: Weights) -> None:
        """Whether cameras mean anything."""
        self.cameras_known = bool(weights.facts.get("cameras_known", True))

    # -- pictures in

    def predict(self, inputs: Sequence[Inputs], options: JOFOptions, batch_size: int = 1) -> Iterator[Mesh | Picture]:
        """The surface of each object, in order, in its own frame (box diagonal 1): albedo at the vertices and faces by parts; or its
        picture. One at a time, whatever the batch size.

        meta holds the camera (K and world_to_cam for 128 x 128 pixels) and the light (radiance [3][9] in the object's frame); the camera is
        null where it is none that a picture could have. A fit needs alpha. Raises UsageError for pictures and fits by weights that know no
        cameras.
        """
        model = self.network
        model.need("image", "shape", "albedo", purpose="Predicting from images")
        if (options.picture or options.fit) and not self.cameras_known:
            raise UsageError(
                "These weights do not know what their cameras mean.", expected="weights imported with normal_cam.mat beside them",
                hint="Import them anew, or leave out --fit and pictures.",
            )  # fmt: skip
        level = THRESHOLD if options.threshold is None else options.threshold
        for sample in inputs:
            cut = cut_out(sample.picture, options.cut, str(self.device)).framed()
            image, mask, facts = _taken_in(self, cut.picture, options.background or BACKGROUND, options.fit)
            facts |= cut.meta
            with torch.no_grad():
                guess = model.image(standard_image(image))[0]
            if options.fit:
                guess = fit_to_image(model, image, mask, guess, steps=options.fit)
            facts |= described(self, guess)
            if options.picture:
                yield _drawn(self, guess, sample.picture.rgb.shape[0], options.relight, facts)
            else:
                yield surface_of(self, guess.codes, options.resolution, level, options.parts, facts)

    def picture_of(self, result: Mesh | Picture) -> Picture:
        """A result as the picture that it is: `predict` draws with the option `picture`."""
        assert isinstance(result, Picture)
        return result

    # -- shapes in

    @property
    def part_names(self) -> tuple[str, ...]:
        """part-1 .. part-k."""
        return part_names(self.network.config.branches)

    def codes(self, occupied: np.ndarray, colours: np.ndarray) -> Codes:
        """By the 3D encoder; where the weights have none, fitted to the volume's cells."""
        model, where = self.network, self.device
        model.need("shape", purpose="Telling parts")
        with torch.no_grad():
            if hasattr(model, "encoder"):
                volume = np.concatenate([colours.transpose(3, 0, 1, 2), 255 * occupied[None].astype(np.uint8)])
                return model.encoder(coloured(torch.from_numpy(volume)[None].to(where), model.config.darkest))[0]
        solid, rng = np.flatnonzero(occupied), np.random.default_rng(0)
        near = np.concatenate([solid[rng.permutation(len(solid))[:3000]], rng.integers(0, occupied.size, 5000)])
        cells = np.stack(np.unravel_index(near, occupied.shape), 1)
        points = torch.from_numpy(((cells + 0.5) / len(occupied) * 2 - 1).astype(np.float32))[None].to(where)
        truth = torch.from_numpy(occupied.reshape(-1)[near])[None].to(where)
        return fit_to_points(model, points, truth)

    def parts(self, codes: Codes, points: np.ndarray) -> np.ndarray:
        """The winning branch."""
        at = torch.from_numpy(np.asarray(points, np.float32) * 2)[None].to(self.device)
        with torch.no_grad():
            return _in_pieces(lambda x: self.network.winners(codes, x), at)[0].cpu().numpy()

    def surface(self, codes: Codes, resolution: int = 64) -> Mesh:
        """By marching cubes at 0.5."""
        self.network.need("shape", "albedo", purpose="Rebuilding shapes")
        return surface_of(self, codes, resolution, THRESHOLD, False, {})

    def fitted(self, points: np.ndarray, occupied: np.ndarray, colours: np.ndarray | None, options: FitOptions) -> Mesh:
        """f_C and f_S by back-propagation through the shape decoder (section 4.1, Figure 6 e); f_A, too, where there are colours."""
        self.network.need("shape", "albedo", purpose="Fitting codes to a shape")
        at, inside = (torch.from_numpy(x)[None].to(self.device) for x in (np.asarray(points, np.float32) * 2, np.asarray(occupied, bool)))
        codes = fit_to_points(self.network, at, inside, steps=options.steps)
        if colours is not None:
            shown = torch.from_numpy(colours).float()[None].to(self.device) / 127.5 - 1
            codes = fit_albedo(self.network, codes, at[:, inside[0]], shown[:, inside[0]], steps=options.steps)
        with torch.no_grad():
            found = _in_pieces(lambda x: self.network.occupancy(codes, x), at) >= options.threshold
        iou = int((found & inside).sum()) / max(1, int((found | inside).sum()))
        facts: Meta = {"fitted": options.steps, "iou": round(iou, 6), "pairs": len(points)}
        return surface_of(self, codes, options.resolution, options.threshold, options.parts, facts)


def _taken_in(predictor: JOFPredictor, sample: Picture, background: tuple[int, int, int], fit: int) -> tuple[Tensor, Tensor, Meta]:
    rgb, alpha = (x if x is None or x.dtype == np.uint8 else (x >> 8).astype(np.uint8) for x in (sample.rgb, sample.alpha))
    assert rgb is not None
    if alpha is not None and alpha.max() < 128:
        raise DataError("The picture is transparent everywhere: there is nothing to see.", expected="alpha of at least one half")
    if fit and (alpha is None or alpha.min() == 255):
        raise DataError("A fit needs the object's silhouette.", expected="a picture with alpha", hint="Cut the object out first.")
    colours, cover = prepare(rgb, alpha, background)
    image, mask = (torch.from_numpy(x)[None].to(predictor.device) for x in (colours, cover))
    done = f"none: all {rgb.shape[1]}x{rgb.shape[0]} pixels, made square, {IMAGE}x{IMAGE}"
    return image, mask, {"crop": done, "background": list(background), "fitted": fit}


def described(predictor: JOFPredictor, guess: ImageGuess) -> Meta:
    """Category, camera and light of a guess as plain numbers; camera null where no camera could be so."""
    settings = predictor.network.config
    facts: Meta = {"light": None, "camera": None, "category": None}
    if hasattr(predictor.network, "encoder") and settings.category:
        code = guess.codes.category
        logits = predictor.network.encoder.linear(torch.nn.functional.normalize(code, dim=1) if settings.normalised else code)[0]
        place = int(logits.argmax())
        facts["category"] = settings.classes[place - 1] if place else None
    radiance = radiance_of(guess.light)[0].double().cpu().numpy()
    facts["light"] = [[round(float(v), 6) for v in row] for row in radiance]
    projection = projection_of(guess.camera, settings)
    if predictor.cameras_known and bool(usable(projection)[0]):
        K, world_to_cam = decompose(projection[0].double().cpu().numpy() @ np.linalg.inv(TO_OWN))
        K[0, 1] = 0.0  # a pinhole has no skew
        facts["camera"] = {"K": K.round(6).tolist(), "world_to_cam": world_to_cam.round(8).tolist(), "width": IMAGE, "height": IMAGE}
    return facts


def surface_of(predictor: JOFPredictor, codes: Codes, resolution: int, threshold: float, parts: bool, facts: Meta) -> Mesh:
    """The surface by marching cubes, evaluated coarse to fine; how often the decoder was asked stands in meta["queries"]."""
    model = predictor.network
    with torch.no_grad():
        found: FieldGrid = sample_field(
            lambda x: model.occupancy(codes, x[None])[0], resolution, threshold=threshold, device=predictor.device
        )
        facts |= {"queries": found.queries, "every_cell": resolution**3, "levels": [list(level) for level in found.levels]}
        grid = VoxelGrid(found.values.cpu().numpy(), None, np.full(3, -1.0), np.full(3, 2 / resolution))
        mesh = surface_mesh(grid, threshold)
        if not len(mesh.faces):
            raise EmptyMeshError("The network sees no object: its occupancy stays below the threshold.", actual=f"threshold {threshold:g}",
                                 hint="Lower --threshold, or look at the background of a picture.")  # fmt: skip
        places = (mesh.vertices, mesh.vertices[mesh.faces].mean(1))
        vertices, centres = (torch.from_numpy(x).float()[None].to(predictor.device) for x in places)
        winner = _in_pieces(lambda x: model.winners(codes, x), centres)[0].cpu().numpy()
        colours = (_in_pieces(lambda x: model.colours(codes, x), vertices)[0].cpu().numpy() + 1) * 127.5
    names = part_names(model.config.branches)
    own = mesh.vertices / 2
    if parts:
        return Mesh(own, mesh.faces, face_labels=(winner + 1).astype(np.uint8), classes=Labels(("air", *names), 0, None), meta=facts)
    shown = (colours + 0.5).clip(0, 255).astype(np.uint8)
    return Mesh(own, mesh.faces, vertex_colors=shown, face_parts=winner.astype(np.int32), part_names=names, meta=facts)


def part_names(count: int) -> tuple[str, ...]:
    """Names of branches, the same for all shapes that one network sees."""
    return tuple(f"part-{k}" for k in range(1, count + 1))


def _in_pieces(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """A function of points [B, N, ...], of as many at a time as leave its layers in a processor's cache."""
    size = 1 << 12 if points.device.type == "cpu" else 1 << 16
    return torch.cat([function(some) for some in points.split(size, 1)], 1)


def _drawn(predictor: JOFPredictor, guess: ImageGuess, size: int, relight: LightFile | None, facts: Meta) -> Picture:
    """The object as the camera of the guess sees it, RGBA of at most 512 pixels a side, in the guessed light or another."""
    if facts["camera"] is None:
        raise DataError("The network's camera for this picture is none that could be drawn through.", hint="Try --fit, or write a mesh.")
    model, side = predictor.network, min(max(size, 16), 512)
    projection = projection_of(guess.camera, model.config)
    pixels = pixel_lattice(IMAGE, side, predictor.device)
    colours, hits = [], []
    for some in pixels.split(1 << 14):
        with torch.no_grad():
            surface = find_surface(fields_of(model, guess.codes)[0], projection, some, evaluations=64, refinements=8)
        made = form_picture(*fields_of(model, guess.codes), projection, guess.light, some, surface, differentiable=False)
        colour = made.colour if relight is None else _relit(made.albedo, made.points, made.normals, relight, facts["camera"])
        colours.append(colour[0].detach())
        hits.append(surface.hit[0])
    rgb = (torch.cat(colours).clamp(0, 1) * 255 + 0.5).to(torch.uint8).view(side, side, 3).cpu().numpy()
    alpha = torch.cat(hits).view(side, side).cpu().numpy()
    return Picture(np.where(alpha[..., None], rgb, 0).astype(np.uint8), 255 * alpha.astype(np.uint8), meta=facts)


def _relit(albedo: Tensor, points: Tensor, normals: Tensor, lights: LightFile, camera: Meta) -> Tensor:
    """Albedo in the lights of a file. points [1, N, 3] in [-1, 1]^3; lights stand in the object's own frame, or the camera's."""
    seen = Camera(np.array(camera["K"]), IMAGE, IMAGE, np.array(camera["world_to_cam"]))
    if lights.frame == "world" and not lights.points and not max(lights.ambient):
        return albedo * shading_of(normals, light_of(torch.tensor(lights.harmonics, dtype=albedo.dtype)[None])).clamp_min(0)
    pose = torch.from_numpy(seen.world_to_cam).to(albedo)
    found: Lights = lights.seen_from(seen)
    seen_points, seen_normals = points / 2 @ pose[:3, :3].T + pose[:3, 3], normals @ pose[:3, :3].T
    maps = [x[0].T[:, :, None].double() for x in (seen_points, seen_normals, albedo)]
    return shade(maps[0], maps[1], maps[2], found)[..., 0].T[None].to(albedo)
