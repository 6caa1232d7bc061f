"""Street data that do not belong together are refused, by name of the first file, with what was expected and what came."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from processes import least_share
from refusals import refused

from voxcli import files
from voxcli.datasets.packing import pack_street
from voxcli.datasets.street import StreetFolder
from voxcli.errors import DataError, FileFormatError
from voxcli.scene import Frustum, FruxelGrid, Labels, Picture

FRUSTUM = Frustum(width=8, height=6, depth=4, z_near=2.0, z_far=12.0, fov_x_deg=40.0)


def put(folder, name, frustum=FRUSTUM, classes=None, fill=2, scale=1):
    labels = np.zeros(frustum.shape, np.uint8)
    labels[1] = fill
    files.write(folder / "fruxels" / f"{name}.npz", FruxelGrid(labels, frustum, classes=classes or Labels()), overwrite=True)
    pixels = np.full((frustum.height * scale, frustum.width * scale, 3), 90, np.uint8)
    files.write(folder / "images" / f"{name}.png", Picture(pixels), overwrite=True)


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        put(tmp_path / "data", f"{k:06d}")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("change", "what", "numbers"),
    [
        ({"classes": Labels(("air", "airplane"))}, "other classes", "expected air, person.*got air, airplane"),
        ({"classes": Labels(empty=None)}, "other classes", "empty 0.*empty None"),
        ({"frustum": replace(FRUSTUM, z_far=50.0)}, "another z_far", "expected 12 m, got 50 m"),
        ({"frustum": replace(FRUSTUM, z_near=1.0)}, "another z_near", "expected 2 m, got 1 m"),
        ({"frustum": replace(FRUSTUM, fov_x_deg=42.5)}, "another field of view", "expected 40 degrees, got 42.5 degrees"),
        ({"frustum": replace(FRUSTUM, depth=5)}, "another grid", r"expected \[D, H, W\] = \[4, 6, 8\], got \[5, 6, 8\]"),
    ],
)
def test_a_file_that_differs_is_named(folder, change, what, numbers):
    put(folder, "000001", **change)
    with pytest.raises(DataError, match=f"(?s)000001.npz' has {what} than .*000000.npz'.*{numbers}"):
        StreetFolder([folder])


@pytest.mark.parametrize("change", [{"classes": Labels(("air", "airplane"))}, {"frustum": replace(FRUSTUM, z_far=50.0)}])
def test_folders_and_packed_files_that_differ_are_named(folder, tmp_path, change):
    put(tmp_path / "other", "000000", fill=1, **change)
    pack_street(StreetFolder([tmp_path / "other"]), tmp_path / "other.h5")
    for other in ("other", "other.h5"):
        with pytest.raises(DataError, match=f"(?s){other}' has (an)?other .*data'"):
            StreetFolder([folder, tmp_path / other])
    assert len(StreetFolder([tmp_path / "other", tmp_path / "other.h5"])) == 2


def test_labels_beyond_the_classes_are_refused_when_they_are_read(folder, tmp_path):
    put(folder, "000002", fill=10)
    data = StreetFolder([folder])
    with refused(DataError, "000002", expected="0 to 9, or 255", actual="10, 48 such"):
        data[2]
    with refused(DataError, "000002", expected="0 to 9", actual="10"):
        pack_street(data, tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()
    put(folder, "000002", fill=255)  # what is left out of scores may be there
    assert (StreetFolder([folder])[2].labels[1] == 255).all()


def test_equal_numbers_written_otherwise_are_equal(folder):
    path = folder / "fruxels/000001.npz"
    with np.load(path) as file:
        members = {key: file[key] for key in file}
    members["z_far"] = np.array(12)
    np.savez(path, **members)
    assert StreetFolder([folder]).frustum == FRUSTUM


def test_fields_of_view_may_vary_where_the_folder_says_so(folder, tmp_path):
    put(folder, "000000", replace(FRUSTUM, fov_x_deg=37.5))
    put(folder, "000002", replace(FRUSTUM, fov_x_deg=44.0))
    options = {"fov_jitter_deg": 4.0, "frustum": {"fov_x_deg": 40.0}}
    (folder / "meta.json").write_text(json.dumps({"options": options}))
    pack_street(StreetFolder([folder]), tmp_path / "all.h5")
    for source in (folder, tmp_path / "all.h5"):
        data = StreetFolder([source])
        assert data.frustum == FRUSTUM and 0 < data.fov_jitter <= 4
        assert [data[k].frustum.fov_x_deg for k in range(3)] == [37.5, 40.0, 44.0]
        assert [data.frustum_of(k) == data[k].frustum for k in range(3)] == [True] * 3
    put(folder, "000001", replace(FRUSTUM, fov_x_deg=44.5))
    with refused(DataError, "000001.npz", expected="40 degrees within 4", actual="44.5"):
        StreetFolder([folder])[1]
    put(folder, "000001", replace(FRUSTUM, z_far=13.0))
    with refused(DataError, "z_far", expected="12 m", actual="13 m"):
        StreetFolder([folder])


def test_samples_know_their_frustum_without_variation(folder):
    data = StreetFolder([folder])
    assert data.fov_jitter == 0 and data[1].frustum == FRUSTUM


def test_pictures_of_another_size_are_refused(folder, tmp_path):
    put(folder, "000001", scale=2)
    data = StreetFolder([folder])
    assert data[0].image.shape == (6, 8, 3)
    with refused(DataError, "000001", expected="8 columns", actual=16):
        data[1]
    put(tmp_path / "large", "000000", scale=2)
    put(tmp_path / "large", "000001", scale=2)
    large = StreetFolder([tmp_path / "large"])
    pack_street(large, tmp_path / "large.h5")
    packed = StreetFolder([tmp_path / "large.h5"])
    assert packed.frustum == FRUSTUM and packed[1].image.shape == (12, 16, 3) and packed[1].labels.shape == (4, 6, 8)
    Image.new("RGB", (20, 12)).save(tmp_path / "large/images/000001.png")
    with refused(DataError, expected="8x6 pixels", actual="20x12"):
        StreetFolder([tmp_path / "large"])[1]


def test_a_field_of_view_that_cannot_be_is_told_with_its_sample(folder, tmp_path):
    put(folder, "000001")
    pack_street(StreetFolder([folder]), tmp_path / "packed.h5")
    data = StreetFolder([tmp_path / "packed.h5"])
    source, _ = data.samples[1]
    source._fovs = [40.0, 4e18]
    with refused(FileFormatError, "packed.h5", "000001"):
        data.frustum_of(1)


def test_a_packed_sample_that_memory_does_not_hold_is_one_error(folder, tmp_path, monkeypatch):
    from voxcli.datasets import packed

    put(folder, "000001")
    pack_street(StreetFolder([folder]), tmp_path / "packed.h5")
    data = StreetFolder([tmp_path / "packed.h5"])

    class Full:
        def decompress(self, data, size):
            raise MemoryError

    monkeypatch.setattr(packed.zlib, "decompressobj", Full)
    with refused(FileFormatError, "packed.h5", "000001"):
        data[1]


def test_a_file_that_is_none_is_named(folder):
    (folder / "fruxels/000001.npz").write_bytes(b"torn")
    with refused(FileFormatError, "000001.npz"):
        StreetFolder([folder])


def test_opening_a_folder_reads_no_labels(folder):
    for k in range(3, 300):
        shutil.copyfile(folder / "fruxels/000000.npz", folder / "fruxels" / f"{k:06d}.npz")

    def read_all():
        for path in (folder / "fruxels").iterdir():
            with np.load(path) as archive:
                assert all(archive[name] is not None for name in archive)

    assert least_share(lambda: StreetFolder([folder]), read_all) < 0.3
