"""HDF5 files of strangers: every way of packing that is read gives what h5py reads, and what would harm is refused."""

import itertools
import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from refusals import refused

from voxcli.datasets.iqtt import IQTTFile
from voxcli.datasets.packed import PackedSamples
from voxcli.errors import FileFormatError
from voxcli.files import read
from voxcli.files.hdf5_reading import _Watched, find, opened, texts, values
from voxcli.files.matlab import read_mat_arrays

RNG = np.random.default_rng(4)
PACKED = [
    {"compression": how, "shuffle": shuffle, "fletcher32": checked, "chunks": chunks}
    for how, shuffle, checked, chunks in itertools.product((None, "gzip", "lzf"), (False, True), (False, True), ((4, 3, 5), (7, 9, 1)))
]


def ours(path, key="labels", rows=None):
    with open(path, "rb") as raw, opened(raw, path.name) as file:
        return values(find(file, key, path.name), f"{path.name}: '{key}'", rows)


def grid(tmp_path, **options):
    """A file of labels that are made with these options of h5py, whose chunks are then to be changed."""
    file = h5py.File(tmp_path / "a.h5", "w")
    return file, file.create_dataset("labels", **options)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("kind", ["u1", ">i2", "<f4", "f2", "?", "S3"])
def test_what_h5py_packs_is_read_as_h5py_reads_it(tmp_path, kind, libver):
    runs = np.repeat(RNG.integers(0, 3, (7, 9, 2)), 5, axis=2)
    array = (runs * 1.5).astype(kind) if kind != "S3" else runs.astype("S3")
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        for number, options in enumerate(PACKED):
            file.create_dataset(f"a{number}", data=array, maxshape=(None, 9, 10), **options)
        file.create_dataset("noise", data=RNG.bytes(4000), dtype="S4000")
        file.create_dataset("part", (7, 9, 10), kind, chunks=(2, 2, 2), fillvalue=array[0, 0, 1])[2:4] = array[2:4]
    with h5py.File(tmp_path / "a.h5") as file:
        for key in file:
            found = ours(tmp_path / "a.h5", key)
            assert found.dtype == file[key].dtype and np.array_equal(found, file[key][()]), key
            if file[key].shape:
                assert np.array_equal(ours(tmp_path / "a.h5", key, slice(3, 6)), file[key][3:6]), key


def test_a_checksum_that_does_not_fit_is_refused(tmp_path):
    file, data = grid(tmp_path, data=np.arange(12, dtype="u1").reshape(2, 2, 3), chunks=(2, 2, 3), fletcher32=True)
    with file:
        mask, packed = data.id.read_direct_chunk((0, 0, 0))
        data.id.write_direct_chunk((0, 0, 0), packed[:3] + b"\x07" + packed[4:], mask)
    with refused(FileFormatError, "labels", actual="checksum"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("how", ["gzip", "lzf"])
def test_a_chunk_that_unpacks_to_more_than_it_is_is_refused(tmp_path, how):
    bomb = zlib.compress(bytes(1 << 26), 9) if how == "gzip" else b"\0x" + b"\xe0\xff\0" * 100_000
    file, data = grid(tmp_path, shape=(50, 50, 50), dtype="u1", chunks=(50, 50, 50), compression=how)
    with file:
        data.id.write_direct_chunk((0, 0, 0), bomb[:100_000])
    with refused(FileFormatError, "labels", actual="125000"):
        read(tmp_path / "a.h5")


def test_a_chunk_that_is_larger_than_its_cells_is_refused_where_nothing_was_packed(tmp_path):
    """Of the index, which states the bytes of each chunk and what was not done to it; without filters the library would read 99 into 64."""
    grid(tmp_path, data=np.arange(64, dtype="u1").reshape(4, 4, 4), chunks=(4, 4, 4))[0].close()
    data = (tmp_path / "a.h5").read_bytes()
    assert data.count(struct.pack("<IIQ", 64, 0, 0)) == 1
    (tmp_path / "a.h5").write_bytes(data.replace(struct.pack("<IIQ", 64, 0, 0), struct.pack("<IIQ", 99, 0, 0)))
    with refused(FileFormatError, "labels", actual="99 bytes for 64"):
        read(tmp_path / "a.h5")


def test_a_chunk_that_is_cut_off_is_refused(tmp_path):
    file, data = grid(tmp_path, shape=(5, 5, 5), dtype="u1", chunks=(5, 5, 5), compression="gzip")
    with file:
        data.id.write_direct_chunk((0, 0, 0), zlib.compress(RNG.bytes(125))[:60])
    with refused(FileFormatError, "labels"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("options, words", [
    ({"shape": (1000, 1000, 1000), "chunks": (1, 1, 1)}, {"actual": "1000000000"}),
    ({"shape": (2, 2, 2), "chunks": (3, 1 << 16, 1 << 14), "maxshape": (None, None, None)}, {"hint": "VOXCLI_MAX_MEMORY"}),
    ({"shape": (2, 2, 2), "chunks": (2, 2, 2), "scaleoffset": 0}, {"expected": "gzip"}),
])  # fmt: skip
def test_chunks_that_would_keep_us_busy_are_refused_from_what_the_file_says(tmp_path, options, words):
    grid(tmp_path, dtype="u1", **options)[0].close()
    with refused(FileFormatError, "a.h5", "labels", **words):
        read(tmp_path / "a.h5")


def test_a_filter_that_is_there_twice_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2, 2, 2))
        for _ in range(5):
            plist.set_deflate(9)
        h5py.h5d.create(file.id, b"labels", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple((2, 2, 2)), plist).write(
            h5py.h5s.ALL, h5py.h5s.ALL, np.zeros((2, 2, 2), np.uint8))  # fmt: skip
    with refused(FileFormatError, "labels", actual="[1, 1, 1, 1, 1]"):
        read(tmp_path / "a.h5")


# -- other files --------------------------------------------------------------------------------------------------------------------


def _link(file, key, other):
    file[key] = h5py.ExternalLink(other, "/secret")


def _virtual(file, key, other):
    layout = h5py.VirtualLayout((4, 5, 6), "u1")
    layout[:] = h5py.VirtualSource(other, "secret", (4, 5, 6))
    file.create_virtual_dataset(key, layout)


def _endless_virtual(file, key, other):
    """Its size is that of its sources, which the library would open to tell the shape."""
    source = h5py.h5s.create_simple((4, 5, 6), (h5py.h5s.UNLIMITED, 5, 6))
    source.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), block=(1, 5, 6))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(source, other.encode(), b"secret", source)
    h5py.h5d.create(file.id, key.encode(), h5py.h5t.NATIVE_UINT8, source, plist)


def _storage(file, key, other):
    file.create_dataset(key, (4, 5, 6), "u1", external=[(other, 0, 120)])


def _through_a_group(file, key, other):
    file["to"] = h5py.ExternalLink(other, "/")
    file[key] = h5py.SoftLink("/to/secret")


def _loop(file, key, other):
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    file[key] = h5py.SoftLink("/a")


@pytest.mark.parametrize("elsewhere", [_link, _virtual, _endless_virtual, _storage, _through_a_group, _loop])
@pytest.mark.parametrize("reader, key", [
    (read, "labels"), (read, "meta"), (read, "voxels"), (IQTTFile, "questions"), (IQTTFile, "truth/answers"), (PackedSamples, "images"),
    (PackedSamples, "names"), (lambda path: read_mat_arrays(path, ["x"]), "x"),
])  # fmt: skip
def test_nothing_is_read_from_other_files(tmp_path, elsewhere, reader, key):
    """The other file is a pipe that nobody writes to: who opens it waits for ever."""
    os.mkfifo(tmp_path / "other")
    text = h5py.string_dtype()
    with h5py.File(tmp_path / "a.mat", "w", libver="latest", userblock_size=512) as file:
        for name, shape in {"labels": (1, 2, 2, 2), "questions": (1, 4, 2, 2, 3), "images": (1, 2, 2, 3)}.items():
            if name != key and (name != "labels" or key != "meta"):
                file.create_dataset(name, shape, "u1", chunks=shape)
        file.update({"z_near": 1.0, "fov_x_deg": 1.0, "z_far": 2.0, "empty_label": 0, "ignore_label": 255})
        file.create_group("truth")
        for name, words in {"names": ["a"], "poses": [""], "label_names": ["air"], "meta": "{}"}.items():
            if name != key:
                file.create_dataset(name, data=words, dtype=text)
        elsewhere(file, key, str(tmp_path / "other"))
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + path.read_bytes()[512:])
    if key != "x":
        path = path.rename(tmp_path / "a.h5")
    with refused(FileFormatError, "a.", f"'{key}'" if reader is not PackedSamples else "a.h5"):
        reader(path)


# -- structures without an end ------------------------------------------------------------------------------------------------------


def names_file(path, count=3, names=None):
    with h5py.File(path, "w") as file:
        file["labels"] = np.zeros((2, 2, 2), np.uint8)
        file.create_dataset("label_names", data=names or [f"class {k}" for k in range(count)], dtype=h5py.string_dtype())
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("place, value", [
    (64 + 8, 0), (64 + 8, 8), (64 + 8, 1 << 40), (16 + 8, (1 << 64) - 16), (16 + 8, 1 << 63), (8, 1 << 30), (8, 0),
])  # fmt: skip
def test_a_heap_of_texts_that_does_not_move_on_is_refused(tmp_path, place, value):
    """Of HDF5's global heaps: a size of 16 bytes of head at 8, entries from 16 on, each with its size at 8. The library never ends."""
    data = names_file(tmp_path / "a.h5", 2, ["a", "b"])
    heap = data.index(b"GCOL")
    assert struct.unpack_from("<H", data, heap + 64)[0] == 0, "the third entry is the space that is free"
    struct.pack_into("<Q", data, heap + place, value)
    (tmp_path / "a.h5").write_bytes(data)
    with refused(FileFormatError, "a.h5"):
        read(tmp_path / "a.h5")


def test_many_names_are_read_and_many_that_share_a_place_are_refused(tmp_path):
    names = [f"Straße {k}" for k in range(5000)]
    names_file(tmp_path / "a.h5", names=names)
    assert read(tmp_path / "a.h5").classes.names == tuple(names)
    data = names_file(tmp_path / "b.h5", names=["x" * 1_000_000] + ["y"] * 5000)
    with h5py.File(tmp_path / "b.h5") as file:
        place = file["label_names"].id.get_offset()
    data[place : place + 16 * 5001] = data[place : place + 16] * 5001
    (tmp_path / "b.h5").write_bytes(data)
    with refused(FileFormatError, "b.h5", "label_names", hint="VOXCLI_MAX_MEMORY"):
        read(tmp_path / "b.h5")


def test_a_text_that_is_too_long_is_refused(tmp_path):
    names_file(tmp_path / "a.h5", names=["x" * (9 << 20)])
    with refused(FileFormatError, "a.h5", expected=str(8 << 20)):
        read(tmp_path / "a.h5")


def test_texts_that_are_packed_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = np.zeros((2, 2, 2), np.uint8)
        file.create_dataset("label_names", data=["a"] * 9, dtype=h5py.string_dtype(), chunks=(3,), compression="gzip")
    with refused(FileFormatError, "label_names", "unusual"):
        read(tmp_path / "a.h5")


def test_structures_that_are_read_again_and_again_end(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    with open(tmp_path / "a", "rb") as raw:
        watched, piece = _Watched(raw, "a"), memoryview(bytearray(1 << 20))
        for _ in range(24):
            watched.seek(0)
            assert watched.readinto(piece) == 1 << 20
        with refused(FileFormatError, "a", actual="again"):
            watched.seek(0)
            watched.readinto(piece)


def test_groups_that_hold_themselves_and_many_attributes_and_links_do_no_harm(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["labels"] = np.ones((2, 2, 2), np.uint8)
        file["again"], file["group/up"] = file["/"], file.create_group("group")
        for k in range(3000):
            file["labels"].attrs[f"a{k}"] = k
            file["group"][f"z{k}"] = h5py.SoftLink("/group/up")
    assert (read(tmp_path / "a.h5").labels == 1).all()


def test_sizes_of_four_bytes_are_refused(tmp_path):
    plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plist.set_sizes(4, 4)
    with h5py.File(h5py.h5f.create(str(tmp_path / "a.h5").encode(), fcpl=plist)) as file:
        file["labels"] = np.ones((2, 2, 2), np.uint8)
    with refused(FileFormatError, "a.h5", expected="8 bytes"):
        read(tmp_path / "a.h5")


def test_texts_are_no_numbers_and_numbers_no_texts(tmp_path):
    names_file(tmp_path / "a.h5")
    with open(tmp_path / "a.h5", "rb") as raw, opened(raw, "a.h5") as file:
        with refused(FileFormatError, "x", "numbers"):
            values(find(file, "label_names", "a.h5"), "x")
        with refused(FileFormatError, "x", "text"):
            texts(find(file, "labels", "a.h5"), "x", raw)
