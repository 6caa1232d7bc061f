"""NPZ: what must be refused before it is unpacked, and bytes that depend on the arrays alone."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from voxcli.errors import FileFormatError
from voxcli.files import read
from voxcli.files.archive import NpzArchive, npz_bytes, read_npy_header


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_header(shape, descr="|u1"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zip_of(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refusal(path):
    with pytest.raises(FileFormatError) as caught:
        read(path)
    assert str(path) in caught.value.message
    assert len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


def test_pickles_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.array([{"a": 1}], dtype=object))
    assert "pickled" in refusal(tmp_path / "a.npz")


def test_a_pickle_that_is_no_array_is_never_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "proof"), "w")

    (tmp_path / "a.npz").write_bytes(pickle.dumps(Evil()))
    refusal(tmp_path / "a.npz")
    zip_of(tmp_path / "b.npz", {"labels.npy": pickle.dumps(Evil())})
    refusal(tmp_path / "b.npz")
    assert not (tmp_path / "proof").exists()


def test_a_bomb_is_refused_from_its_header_alone(tmp_path):
    path = zip_of(tmp_path / "bomb.npz", {"labels.npy": npy_header((5000, 5000, 5000))})
    assert "116 GiB" in refusal(path)


def test_a_header_that_declares_more_than_the_directory_is_refused(tmp_path):
    path = zip_of(tmp_path / "liar.npz", {"labels.npy": npy_header((64, 64, 64)) + b"\0" * 10})
    text = refusal(path)
    assert "262144 bytes" in text and "10 bytes" in text


def test_a_forged_directory_with_an_impossible_ratio_is_refused(tmp_path):
    path = tmp_path / "forged.npz"
    size = (1 << 30) + 128
    header = npy_header((size,))
    zip_of(path, {"labels.npy": header + b"\0" * 1000})
    data = bytearray(path.read_bytes())
    honest = struct.pack("<I", len(header) + 1000)
    forged = struct.pack("<I", len(header) + size)
    path.write_bytes(bytes(data).replace(honest, forged))
    assert "packed bytes" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_packing_is_refused(tmp_path, method):
    refusal(zip_of(tmp_path / "a.npz", {"labels.npy": npy(np.zeros((2, 2, 2), np.uint8))}, method))


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 0.5, 0.9, 0.999])
def test_truncated_archives_are_refused(tmp_path, keep):
    whole = npz_bytes({"occupancy": np.random.default_rng(0).random((8, 8, 8)) > 0.5})
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    refusal(path)


def test_damage_inside_a_member_is_refused(tmp_path):
    data = bytearray(npz_bytes({"occupancy": np.random.default_rng(0).random((16, 16, 16)) > 0.5}))
    data[len(data) // 3] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(data)
    assert "damaged" in refusal(tmp_path / "a.npz")


def test_what_an_archive_holds_is_told_without_unpacking(tmp_path):
    path = zip_of(tmp_path / "a.npz", {"labels.npy": npy(np.zeros((4, 4, 4), np.uint8))}, zipfile.ZIP_STORED)
    with path.open("rb") as file:
        archive = NpzArchive(file, str(path))
    assert "labels" in archive and "depth" not in archive  # the file is closed: nothing can be read


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_headers_of_either_version_are_read_up_to_the_data(version):
    for array in (np.arange(6, dtype=np.int16).reshape(2, 3), np.zeros((2, 3), np.int16)):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array, version)
        stream.seek(0)
        assert read_npy_header(stream) == ((2, 3), False, np.dtype("<i2")) and stream.read() == array.tobytes()


def test_a_missing_key_names_those_found_and_the_nearest(tmp_path):
    np.savez(tmp_path / "a.npz", lables=np.zeros((2, 2, 2), np.uint8))
    text = refusal(tmp_path / "a.npz")
    assert "lables" in text and "'labels'" in text
    np.savez(tmp_path / "b.npz", labels=np.zeros((2, 2, 2), np.uint8), z_near=1.0, z_fra=2.0, fov_x_deg=60.0)
    assert "Is 'z_fra' meant to be 'z_far'?" in refusal(tmp_path / "b.npz")


def test_the_same_arrays_give_the_same_bytes_and_numpy_reads_them():
    arrays = {"b": np.arange(6).reshape(2, 3), "a": np.array(["x", "yz"]), "s": np.float64(3), "f": np.asfortranarray(np.eye(3))}
    data = npz_bytes(arrays)
    assert data == npz_bytes(dict(arrays))
    with np.load(io.BytesIO(data), allow_pickle=False) as again:
        assert list(again) == list(arrays)
        for key, array in arrays.items():
            assert np.array_equal(again[key], array)


def test_every_member_is_dated_1980():
    with zipfile.ZipFile(io.BytesIO(npz_bytes({"a": np.zeros(1)}))) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_noise_is_stored_and_labels_are_packed():
    noise = np.random.default_rng(0).random((64, 64, 128)).astype(np.float32)
    with zipfile.ZipFile(io.BytesIO(npz_bytes({"noise": noise, "labels": np.zeros((64, 64, 64), np.uint8), "flat": noise * 0}))) as archive:
        kinds = {i.filename: i.compress_type for i in archive.infolist()}
    assert kinds == {"noise.npy": zipfile.ZIP_STORED, "labels.npy": zipfile.ZIP_DEFLATED, "flat.npy": zipfile.ZIP_DEFLATED}


def test_fortran_order_arrays_are_read(tmp_path):
    grid = np.asfortranarray(np.random.default_rng(0).random((2, 3, 4)) > 0.5)
    np.savez(tmp_path / "a.npz", occupancy=grid)
    assert np.array_equal(read(tmp_path / "a.npz").occupancy, grid)


@pytest.mark.parametrize("name, data", [("a.npy", npy_header((1 << 20, 1 << 20), "<f4")), ("b.npy", npy_header((4, 3), "<f4") + b"\0" * 8)])
def test_npy_headers_are_checked_too(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    refusal(tmp_path / name)


def test_a_pickled_npy_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    assert "pickled" in refusal(tmp_path / "a.npy")


def test_more_values_than_the_largest_grid_has_are_refused_whatever_their_bytes(tmp_path):
    path = tmp_path / "zeros.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|b1", "fortran_order": False, "shape": (2000, 2000, 1000)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("occupancy.npy", header.getvalue() + bytes(3 << 20))  # as zeros would pack
    assert "1024 cubed" in refusal(path)
