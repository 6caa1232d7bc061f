"""Questions of the 3D-IQ test task (pix2scene, section 4.4): which of three pictures shows the object of the first one, turned?

The reference and the answer are one polycube in two rotations drawn at random; the two distractors are no rotation of it, nor of each
other, which is checked by all 24 rotations: its mirror image (in half of the questions), itself with one arm bent another way, or another
polycube of as many cubes. Lights stand at random on a sphere, with random colours, for each picture anew.

FILE.h5 in the layout of the published files:
    labeled/questions [n, 4, H, W, 3] uint8, labeled/answers [n], unlabeled/questions      where a number of labels is asked for
    questions [n, 4, H, W, 3], answers [n]                                                  otherwise, as validation data
    truth/answers [N], truth/kinds [N, 3], truth/cells [N, 4, 10, 3]                        of all questions, labelled ones first
    lights/ambient [N, 4, 3], lights/positions and lights/colours [N, 4, 3, 3] float32      of each picture, in its camera's frame
Picture 0 is the reference; answers are 0, 1 or 2, the choice that is right. Of published files none has `truth` or `lights`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from voxcli.atomic import refuse_existing
from voxcli.datasets.hdf5_file import new_hdf5
from voxcli.datasets.synthetic.folders import differences, meta_of, run_chunks
from voxcli.datasets.synthetic.polycubes import LARGEST, canonical, draw_chain, mirrored, surface
from voxcli.errors import UsageError
from voxcli.provenance import Json, make_meta
from voxcli.seeds import item_seed

if TYPE_CHECKING:
    import h5py

    from voxcli.geometry.lighting import Lights

KINDS = ("answer", "mirror", "bent", "other")
"""What a choice is, by the ids of truth/kinds."""

LENS_MM, SENSOR_MM = 25.0, 24.0
DISTANCE = 2.45
"""Of the camera, in radii of the sphere around an object: it is seen whole from everywhere."""

ALBEDO, AMBIENT = 0.8, 0.25
LIGHTS = 3
"""Point lights of a picture."""

_LIGHT_DISTANCE, _LIGHT_SUM = 4.0, 1.1
_CHUNK = 8  # questions that a worker takes at a time
_MODULES = ("voxcli.geometry.lighting", "voxcli.geometry.zbuffer")  # that a worker imports first
_LEVEL = 4


@dataclass(frozen=True)
class IQTTConfig:
    """labeled: how many of the questions keep their answer; None: all, in one list. size: pixels of a side."""

    labeled: int | None = None
    size: int = 128

    def __post_init__(self) -> None:
        if self.labeled is not None and self.labeled < 0 or not 8 <= self.size <= 1024:
            raise UsageError("Questions have 0 or more labels and pictures of 8 to 1024 pixels.", actual=f"{self.labeled}, {self.size}")


class Question(NamedTuple):
    """cells: the four polycubes, the reference first; kinds [3]: ids in KINDS of the choices; answer: 0, 1 or 2."""

    cells: tuple[np.ndarray, ...]
    kinds: tuple[int, ...]
    answer: int


def draw_question(rng: np.random.Generator) -> Question:
    """Four polycubes of as many cubes, in an order drawn at random."""
    chain, reference = draw_chain(rng)
    names = {canonical(reference)}
    distractors: list[tuple[np.ndarray, int]] = []
    if rng.random() < 0.5:
        distractors.append((mirrored(reference), KINDS.index("mirror")))
        names.add(canonical(distractors[0][0]))
    while len(distractors) < 2:
        kind = KINDS.index("bent" if rng.random() < 0.7 else "other")
        cells = chain.bent(rng).cells() if KINDS[kind] == "bent" else draw_chain(rng, len(reference))[1]
        if cells is None or canonical(cells) in names or canonical(mirrored(cells)) in names:
            continue
        names.add(canonical(cells))
        distractors.append((cells, kind))
    choices = [(reference, 0), *distractors]
    order = rng.permutation(3)
    return Question((reference, *(choices[k][0] for k in order)), tuple(choices[k][1] for k in order), int(np.flatnonzero(order == 0)[0]))


def draw_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation matrix [3, 3], uniform over all."""
    from voxcli.geometry.cameras import quaternion_to_rotation

    return quaternion_to_rotation(rng.standard_normal(4))


def draw_lights(rng: np.random.Generator) -> Lights:
    """Point lights in the camera frame, uniform on a sphere around the object; one at least shines on the side that is seen."""
    import torch

    from voxcli.geometry.lighting import Lights

    while True:
        towards = rng.standard_normal((LIGHTS, 3))
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        if towards[:, 2].min() < -0.5:  # within 60 degrees of the line of sight
            break
    hues = rng.uniform(0.5, 1.0, (LIGHTS, 3))
    colours = hues / hues.max(1, keepdims=True) * _LIGHT_SUM / 2 * _LIGHT_DISTANCE**2
    positions = towards * _LIGHT_DISTANCE + (0, 0, DISTANCE)
    return Lights(*(torch.from_numpy(np.asarray(v, np.float64)) for v in (np.full(3, AMBIENT), positions, colours)))


def picture(cells: np.ndarray, rotation: np.ndarray, lights: Lights, size: int) -> np.ndarray:
    """A polycube under equation (1), uint8 [size, size, 3], linear light on black. rotation [3, 3]: from its own to the camera's axes."""
    import torch

    from voxcli.geometry.lighting import shade
    from voxcli.geometry.zbuffer import nearest

    corners, normals = surface(cells)
    centre = (cells.min(0) + cells.max(0) + 1) / 2
    radius = np.linalg.norm(corners - centre, axis=-1).max()
    corners = (corners - centre) / radius @ rotation.T + (0, 0, DISTANCE)
    normals = normals @ rotation.T
    facing = np.einsum("qc,qc->q", normals, corners[:, 0]) < 0
    corners, normals = corners[facing], normals[facing]
    squares = np.arange(4 * len(corners)).reshape(-1, 4)
    faces = np.concatenate([squares[:, [0, 1, 2]], squares[:, [0, 2, 3]]])
    focal = LENS_MM / SENSOR_MM * size
    x, y, z = corners.reshape(-1, 3).T
    projected = np.stack([focal * x / z + size / 2, focal * y / z + size / 2, -1 / z], 1)
    face = nearest(torch.from_numpy(projected), torch.from_numpy(faces), size, size).face.numpy()
    # Only what is seen is shaded: its points are where the rays of their pixels meet the planes of the squares.
    rows, columns = np.nonzero(face >= 0)
    square = face[rows, columns] % len(corners)
    rays = np.stack([(columns + 0.5 - size / 2) / focal, (rows + 0.5 - size / 2) / focal, np.ones(len(rows))], 1)
    normal = normals[square]
    points = np.einsum("nc,nc->n", normal, corners[square, 0])[:, None] / np.einsum("nc,nc->n", normal, rays)[:, None] * rays
    points, normal = (np.ascontiguousarray(values.T)[:, None] for values in (points, normal))  # [N, 3] as maps [3, 1, N]
    light = shade(torch.from_numpy(points), torch.from_numpy(normal), torch.tensor(ALBEDO, dtype=torch.float64), lights)
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[rows, columns] = (light[:, 0].T.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    return pixels


def make_question(seed: int, index: int, size: int) -> tuple[np.ndarray, Question, list[Lights]]:
    """Pictures uint8 [4, size, size, 3], the question itself and the lights of each picture: a function of the arguments alone."""
    rng = np.random.default_rng(item_seed(seed, f"iqtt/{index}"))
    question = draw_question(rng)
    drawn = [(draw_rotation(rng), draw_lights(rng)) for _ in question.cells]
    pictures = [picture(cells, rotation, lights, size) for cells, (rotation, lights) in zip(question.cells, drawn, strict=True)]
    return np.stack(pictures), question, [lights for _, lights in drawn]


# -- on disk --------------------------------------------------------------------------------------------------------------------------


def write_questions(
    path: str | Path,
    count: int,
    seed: int = 0,
    config: IQTTConfig | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write questions 0..count-1 of a seed into one HDF5 file, atomically: the same bytes for any number of workers.

    progress: called with the number of questions that are newly done. Raises UsageError where the file exists and overwrite is False,
    or cannot be written.
    """
    path, config = Path(path), config or IQTTConfig()
    if count < 1 or workers < 1 or (config.labeled or 0) > count:
        raise UsageError("There is at least one question and one worker, and no more labels than questions.",
                         actual=f"count {count}, labeled {config.labeled}, workers {workers}")  # fmt: skip
    if path.is_dir():
        refuse_existing(path)
    with new_hdf5(path, overwrite) as file:
        _write(file, count, seed, config, workers, _meta(count, seed, config), progress or (lambda n: None))
    return path


def _meta(count: int, seed: int, config: IQTTConfig) -> Mapping[str, Json]:
    options = asdict(config) | {"count": count}
    return make_meta("iqtt", "synth iqtt", options, {}, seed, "camera: x right, y down, z forward", "radii")


def check_same_questions(path: str | Path, count: int, seed: int, config: IQTTConfig) -> None:
    """Raise UsageError unless a file holds what `write_questions` would write with these options."""
    import h5py

    with h5py.File(path, "r") as file:
        meta = file.get("meta")
        stated = meta[()] if isinstance(meta, h5py.Dataset) and meta.shape == () else b""
    there, wanted = meta_of(stated), _meta(count, seed, config)
    if there != wanted:
        actual = differences(there, wanted) if there else None
        raise UsageError(f"{path} holds questions that were made with other options, or none.", actual=actual,
                         hint="Choose another file or the same seed and options; --overwrite replaces it.")  # fmt: skip


def _write(
    file: h5py.File, count: int, seed: int, config: IQTTConfig, workers: int, meta: Mapping[str, Json], report: Callable[[int], None]
) -> None:
    import h5py

    labeled = count if config.labeled is None else config.labeled
    shape = (4, config.size, config.size, 3)
    put = partial(file.create_dataset, track_times=False)

    def pictures(name: str, n: int) -> h5py.Dataset:
        packing = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": _LEVEL} if n else {}
        return put(name, shape=(n, *shape), dtype=np.uint8, **packing)

    if config.labeled is None:
        first = second = pictures("questions", count)
    else:
        first, second = pictures("labeled/questions", labeled), pictures("unlabeled/questions", count - labeled)
    answers, kinds = np.zeros(count, np.uint8), np.zeros((count, 3), np.uint8)
    cells = np.full((count, 4, LARGEST, 3), -1, np.int8)
    lit = {"ambient": np.zeros((count, 4, 3), np.float32)}
    lit |= {name: np.zeros((count, 4, LIGHTS, 3), np.float32) for name in ("positions", "colours")}
    with closing(_in_order(_Work(seed, config.size), count, workers)) as made:
        for index, (packed, question, lights) in enumerate(made):
            target, own = (first, index) if index < labeled else (second, index - labeled)
            target.id.write_direct_chunk((own, 0, 0, 0, 0), packed)
            answers[index], kinds[index] = question.answer, question.kinds
            for k, each in enumerate(question.cells):
                cells[index, k, : len(each)] = each
            for name, values in lit.items():
                values[index] = [getattr(each, name).numpy() for each in lights]
            report(1)
    put("answers" if config.labeled is None else "labeled/answers", data=answers[:labeled])
    for name, data in (("answers", answers), ("kinds", kinds), ("cells", cells)):
        put(f"truth/{name}", data=data)
    for name, values in lit.items():
        put(f"lights/{name}", data=values)
    put("meta", data=json.dumps(meta, sort_keys=True), dtype=h5py.string_dtype("utf-8"))


_Made: TypeAlias = "tuple[bytes, Question, list[Lights]]"


@dataclass(frozen=True)
class _Work:
    """Makes the questions of a piece, their pictures packed as HDF5's gzip filter packs them: that is most of the work."""

    seed: int
    size: int

    def __call__(self, indices: Sequence[int]) -> list[_Made]:
        made = [make_question(self.seed, index, self.size) for index in indices]
        return [(zlib.compress(pictures.tobytes(), _LEVEL), question, lights) for pictures, question, lights in made]


def _in_order(work: _Work, count: int, workers: int) -> Generator[_Made, None, None]:
    """Packed pictures, questions and lights, one after the other, whichever worker is done first."""
    waiting: dict[int, list[_Made]] = {}
    due = 0
    with closing(run_chunks(work, range(count), workers, _CHUNK, _MODULES)) as running:
        for indices, made in running:
            waiting[indices[0]] = made
            while due in waiting:
                piece = waiting.pop(due)
                due += len(piece)
                yield from piece
