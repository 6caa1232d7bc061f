"""convert --to jof: any folder of shapes becomes what JOF and BAE-NET are trained on."""

import json

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from voxcli import files
from voxcli.datasets.coloured_shapes import PAIRS
from voxcli.errors import DataError, UsageError
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
    half = (HIGH - LOW) / 2 / diagonal  # of the box, where its diagonal is 1
    for index, colour in enumerate(([200, 40, 40], [1, 1, 1])):  # black is not air
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


# ------------------------------------------------------------------------------------------------ categories and splits


def shaped(folder, *names):
    """Files of shapes whose bytes nobody reads here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def listed(folder, **options):
    data = ShapeSamples([folder], options)
    return [(data.name(k).partition("/")[2], data.category(k)) for k in range(len(data))]


@pytest.mark.filterwarnings("ignore:.*states no splits")
def test_categories_of_published_shapes_are_kept_and_unknown_ones_refused(tmp_path):
    shaped(tmp_path, "chair/a.mat", "chair/b.mat", "table/a.mat")
    for wanted in ("chair", ["chair"], ("chair",)):
        assert listed(tmp_path, categories=wanted) == [("chair/a", "chair"), ("chair/b", "chair")]
    with refused(UsageError, "'chir'", hint="'chair'"):
        listed(tmp_path, categories=["chir"])


def test_splits_of_published_shapes_are_those_of_the_taxonomy_or_of_folders(tmp_path):
    lists = {"taxonomy_id": "03001627", "taxonomy_name": "chair", "train": ["a"], "val": [], "test": ["b"]}
    shaped(tmp_path / "one", "03001627/a.mat", "03001627/b.mat", "03001627/c.mat")
    (tmp_path / "one" / "ShapeNet.json").write_text(json.dumps([lists]))
    assert listed(tmp_path / "one") == [("03001627/a", "chair")]
    assert listed(tmp_path / "one", split="test", categories="chair") == [("03001627/b", "chair")]
    assert len(listed(tmp_path / "one", split=None)) == 3
    shaped(tmp_path / "two", "train/chair/a.mat", "test/chair/b.mat")
    assert listed(tmp_path / "two") == [("chair/a", "chair")] and listed(tmp_path / "two", split="test") == [("chair/b", "chair")]
    for folder in ("one", "two"):
        with refused(UsageError, "'nonsense'"):
            listed(tmp_path / folder, split="nonsense")


def test_shapes_without_splits_are_all_for_training_and_that_is_said(tmp_path):
    shaped(tmp_path, "chair/a.mat", "chair/b.mat")
    with pytest.warns(UserWarning, match="states no splits"):
        assert len(listed(tmp_path)) == 2
    with refused(DataError, "'test'", expected="ShapeNet.json"):
        listed(tmp_path, split="test")


@pytest.mark.filterwarnings("ignore:.*states no splits")
@pytest.mark.parametrize("inner", ["models/model_normalized", "model", "models/untitled"])
def test_a_tree_of_shapenet_keeps_its_categories(tmp_path, inner):
    shaped(tmp_path, f"02958343/abc/{inner}.mat", f"03001627/def/{inner}.mat")
    wanted = [("02958343/abc", "02958343"), ("03001627/def", "03001627")]
    assert listed(tmp_path) == wanted and listed(tmp_path, categories=["03001627"]) == wanted[1:]


@pytest.mark.filterwarnings("ignore:.*states no splits")
def test_pictures_of_converted_meshes_lie_beside_them_as_in_3d_r2n2(voxcli, meshes):
    assert voxcli("convert", "meshes", "-o", "shapes", "--to", "jof")[0] == 0
    with refused(DataError, "without pictures", expected="ShapeNetRendering/CATEGORY/NAME/rendering"):
        ShapeSamples([meshes / "shapes"], {}).check_renderings()
    taxonomy = []
    for category, name in (("chair", "a"), ("table", "b")):
        folder = meshes / "shapes" / "ShapeNetRendering" / category / name / "rendering"
        folder.mkdir(parents=True)
        Image.new("RGBA", (137, 137), (9, 9, 9, 255)).save(folder / "00.png")
        (folder / "rendering_metadata.txt").write_text("45 30 0 0.8 25\n")
        taxonomy.append({"taxonomy_id": category, "taxonomy_name": category, "train": [name], "val": [], "test": []})
    (meshes / "shapes" / "ShapeNet.json").write_text(json.dumps(taxonomy))
    data = ShapeSamples([meshes / "shapes"], {})
    data.check_renderings()
    assert [data.view_count(k) for k in range(len(data))] == [1, 1]
    sample = ShapeReader(data, 16, 50, viewed=True)(1, None)
    centre = sample.arrays["projections"] @ [0, 0, 0, 1]
    assert np.allclose(centre[:2] / centre[2], 64, atol=0.5)  # the object is in the middle of a picture of 128 pixels
