"""3D-R2N2's layout, made by hand: pictures, metadata, volumes, taxonomy; the camera against a plain statement of the renderer's."""

import json

import numpy as np
import pytest
from PIL import Image
from references.silhouettes import assert_camera_fits, blender_pixels, lopsided_mesh, silhouette, surface_points
from refusals import refused

from voxcli import files
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.scene import VoxelGrid

VIEWS = [(0.0, 28.0, 0.8), (40.0, 25.0, 0.7), (135.0, 30.0, 0.9), (260.0, 27.0, 0.75)]


@pytest.fixture
def folder(tmp_path):
    """Two chairs and a table; one volume is a .mat."""
    from scipy.io import savemat

    points = surface_points(lopsided_mesh())
    for synset, name in (("03001627", "aa"), ("03001627", "bb"), ("04379243", "cc")):
        rendering = tmp_path / "ShapeNetRendering" / synset / name / "rendering"
        rendering.mkdir(parents=True)
        for k, view in enumerate(VIEWS):
            mask = silhouette(blender_pixels(points, *view, 137), 137, 137)
            rgba = np.zeros((137, 137, 4), np.uint8)
            rgba[mask] = (200, 100, 50, 255)
            Image.fromarray(rgba).save(rendering / f"{k:02d}.png")
        (rendering / "rendering_metadata.txt").write_text("".join(f"{a} {e} 0 {r} 25\n" for a, e, r in VIEWS))
        (rendering / "renderings.txt").write_text("".join(f"{k:02d}.png\n" for k in range(len(VIEWS))))
        volume = np.zeros((32, 32, 32), bool)
        volume[3, 5, 7] = volume[4, 5, 7] = True
        (tmp_path / "ShapeNetVox32" / synset / name).mkdir(parents=True)
        if name == "cc":
            savemat(tmp_path / "ShapeNetVox32" / synset / name / "model.mat", {"Volume": volume.astype(np.uint8)})
        else:
            files.write(tmp_path / "ShapeNetVox32" / synset / name / "model.binvox", VoxelGrid(occupancy=volume))
    taxonomy = [
        {"taxonomy_id": "03001627", "taxonomy_name": "chair", "baseline": {"t": 0.4}, "train": ["aa"], "val": [], "test": ["bb"]},
        {"taxonomy_id": "04379243", "taxonomy_name": "table", "train": ["cc"], "test": []},
    ]
    (tmp_path / "ShapeNet.json").write_text(json.dumps(taxonomy))
    return tmp_path


def test_splits_and_categories_choose_objects(folder):
    assert [i.name for i in R2N2Folder(folder, "train").items] == ["aa", "cc"]
    assert [i.name for i in R2N2Folder(folder, "test").items] == ["bb"]
    assert [i.name for i in R2N2Folder(folder, None).items] == ["aa", "bb", "cc"]
    assert R2N2Folder(folder, None, categories=["table"]).categories == ["table"]
    assert [i.name for i in R2N2Folder(folder, None, categories=["03001627"]).items] == ["aa", "bb"]
    assert len(R2N2Folder(folder, "val")) == 0


def test_a_sample_holds_pictures_volume_and_cameras(folder):
    data = R2N2Folder(folder, "train")
    sample = data.sample(0, (2, 0))
    assert sample.images.shape == (2, 137, 137, 4) and sample.images.dtype == np.uint8
    assert (sample.images[0][sample.images[0, ..., 3] > 0] == (200, 100, 50, 255)).all()  # RGB order
    assert sample.category == "chair" and sample.views == (2, 0) and sample.name == "03001627/aa"
    assert sample.volume.dtype == bool and np.argwhere(sample.volume).tolist() == [[3, 5, 7], [4, 5, 7]]
    assert np.array_equal(data[1].volume, sample.volume)  # from a .mat
    assert len(data[0].images) == data.view_count(0) == len(VIEWS)


def test_cameras_see_the_mesh_where_the_pictures_show_it(folder):
    sample = R2N2Folder(folder, "train")[0]
    for image, camera in zip(sample.images, sample.cameras, strict=True):
        assert_camera_fits(camera, lopsided_mesh(), image[..., 3] > 0)


def test_a_picture_without_alpha_is_opaque(folder):
    path = folder / "ShapeNetRendering/03001627/aa/rendering/00.png"
    Image.fromarray(np.full((137, 137, 3), 7, np.uint8)).save(path)
    assert (R2N2Folder(folder).images(0, [0])[0] == (7, 7, 7, 255)).all()


def test_what_is_wrong_is_named(folder):
    data = R2N2Folder(folder)
    with refused(DataError, "rendering_metadata.txt", "4", expected="0 to 3"):
        data.cameras(0, [4])
    with refused(UsageError, "'chairs'", hint="'chair'"):
        R2N2Folder(folder, categories=["chairs"])
    with refused(DataError, "ShapeNetVox32", "3D-R2N2"):
        R2N2Folder(folder / "ShapeNetVox32")
    (folder / "ShapeNetRendering/03001627/aa/rendering/rendering_metadata.txt").write_text("1 2 3\n")
    with refused(FileFormatError, "rendering_metadata", expected="ratio"):
        data.cameras(0, [0])
    (folder / "ShapeNetVox32/03001627/aa/model.binvox").unlink()
    with refused(DataError, "volume", expected="model.binvox or model.mat"):
        data.volume(0)
    for text in ("[{}]", "{", '[{"taxonomy_id": "1", "taxonomy_name": "a", "train": ["../x"]}]', "[1]"):
        (folder / "ShapeNet.json").write_text(text)
        with refused(FileFormatError, "ShapeNet.json"):
            R2N2Folder(folder)
