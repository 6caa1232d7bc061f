import numpy as np
import pytest
from references.ssz_twins import pooled_by_counting
from refusals import refused

from voxcli.datasets.street import StreetFolder, pool_labels
from voxcli.errors import DataError, FileFormatError


@pytest.mark.parametrize("empty", [0, 3])
def test_pooling_agrees_with_counting_cell_by_cell(empty):
    labels = np.random.default_rng(0).choice(np.array([0, 0, 0, 0, 1, 2, 3, 9], np.uint8), (6, 8, 4))
    assert np.array_equal(pool_labels(labels, 2, empty), pooled_by_counting(labels, empty))
    assert np.array_equal(pool_labels(labels[:4, :, :], 4, empty), pool_labels(pool_labels(labels[:4], 2, empty), 2, empty))


def test_one_solid_fruxel_fills_its_cell():
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[1, 0, 1] = 7
    assert pool_labels(labels, 2).tolist() == [[[7]]]


def test_a_folder_without_samples_and_broken_files_are_named(tmp_path):
    with refused(DataError, "samples", expected="5"):
        StreetFolder([tmp_path])
    (tmp_path / "fruxels").mkdir()
    (tmp_path / "fruxels/000000.npz").write_bytes(b"no archive")
    with refused(FileFormatError, "000000.npz"):
        StreetFolder([tmp_path])
    np.savez(tmp_path / "fruxels/000000.npz", labels=np.zeros((2, 2, 2), np.float32))
    with refused(FileFormatError, expected="uint8", actual="[2, 2, 2]"):
        StreetFolder([tmp_path])
