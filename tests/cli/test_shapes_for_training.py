"""convert --to jof: any folder of shapes becomes what JOF and BAE-NET are trained on."""

import numpy as np
import pytest

from voxcli import files
from voxcli.datasets.coloured_shapes import PAIRS
from voxcli.models.branched.batches import ShapeReader, ShapeSamples, collate
from voxcli.scene import Mesh

LOW, HIGH = np.array([-1.0, -0.5, -0.25]), np.array([1.0, 0.5, 0.25])
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
SIDES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7],
                  [1, 7, 3]])  # fmt: skip


@pytest.fixture
def meshes(tmp_path):
    for category, name, colour in (("chair", "a", (200, 40, 40)), ("table", "b", (0, 0, 0))):
        (tmp_path / "meshes" / category).mkdir(parents=True)
        colours = np.full((8, 3), colour, np.uint8)
        files.write(tmp_path / "meshes" / category / f"{name}.ply", Mesh(LOW + CORNERS * (HIGH - LOW), SIDES, vertex_colors=colours))
    return tmp_path


def test_a_folder_of_meshes_becomes_volumes_and_pairs_by_category(voxcli, meshes):
    assert voxcli("convert", "meshes", "-o", "shapes", "--to", "jof")[0] == 0
    data = ShapeSamples([meshes / "shapes"], {})
    assert data.categories == ["chair", "table"] and [data.name(k) for k in range(2)] == ["shapes/chair/a", "shapes/table/b"]
    diagonal = np.linalg.norm(HIGH - LOW)
    half = (HIGH - LOW) / 2 / diagonal                                       # of the box, where its diagonal is 1
    for index, colour in enumerate(([200, 40, 40], [1, 1, 1])):              # black is not air
        volume, _ = data.shape(index, 16, None, np.random.default_rng(0))
        centres = np.abs((np.indices((64,) * 3) + 0.5) / 64 - 0.5)
        margin = 1 / 64
        inside, outside = ((centres < (half + s * margin)[:, None, None, None]).all(0) for s in (-1, 1))
        assert (volume[3][inside] == 255).all() and (volume[3][~outside] == 0).all()
        assert (volume[:3, inside] == np.array(colour)[:, None]).all()
        for resolution, count in PAIRS.items():
            _, pairs = data.shape(index, resolution, None, np.random.default_rng(0))
            assert len(pairs.points) == count and (pairs.labels[pairs.occupied] == 255).all()
            sure = (np.abs(pairs.points) < half - 1.01 / resolution).all(1)
            beyond = (np.abs(pairs.points) > half + 1.01 / resolution).any(1)
            assert sure.any() and pairs.occupied[sure].all() and not pairs.occupied[beyond].any()
    assert collate([ShapeReader(data, 32, 100)(k, None) for k in range(2)]).points.shape == (2, 100, 3)


def test_the_same_shapes_give_the_same_bytes(voxcli, meshes):
    for target in ("one", "two"):
        assert voxcli("convert", "meshes", "-o", target, "--to", "jof")[0] == 0
    made = sorted((meshes / "one").rglob("*.mat"))
    assert len(made) == 2
    assert all(path.read_bytes() == (meshes / "two" / path.relative_to(meshes / "one")).read_bytes() for path in made)


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--as", "points"), "--as means nothing"), (("--resolution", 32), "--resolution means nothing"), (("--format", "npz"), "--format")],
)
def test_flags_without_a_meaning_are_refused(voxcli, meshes, words, message):
    code, stdout, stderr = voxcli("convert", "meshes", "-o", "shapes", "--to", "jof", *words)
    assert (code, stdout) == (2, "") and message in stderr and not (meshes / "shapes").exists()
