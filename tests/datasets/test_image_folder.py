"""Folders of pictures."""

import numpy as np
from PIL import Image
from refusals import refused

from voxcli.datasets.image_folder import ImageFolder
from voxcli.errors import DataError, VoxcliError


def save(path, colour, mode="RGB", size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_a_coco_folder_gives_its_pictures_in_order_and_ignores_annotations(tmp_path):
    save(tmp_path / "train2017" / "000000000009.jpg", (200, 10, 10))
    save(tmp_path / "train2017" / "000000000002.png", 77, "L")
    save(tmp_path / "train2017" / "deeper" / "a.JPEG", (9, 9, 9))
    save(tmp_path / "train2017" / ".hidden.png", (1, 1, 1))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2017.json").write_text("{}")
    data = ImageFolder([tmp_path])
    assert [data.name(i).partition("/")[2] for i in range(len(data))] == [
        "train2017/000000000002.png", "train2017/000000000009.jpg", "train2017/deeper/a.JPEG",
    ]  # fmt: skip
    assert data[0].shape == (4, 6, 3) and data[0].dtype == np.uint8 and (data[0] == 77).all()
    assert data[1][0, 0, 0] > 150 > data[1][0, 0, 1]


def test_sixteen_bits_and_alpha_become_plain_colour(tmp_path):
    Image.fromarray(np.full((2, 2), 0x8040, np.uint16)).save(tmp_path / "a.png")
    save(tmp_path / "b.png", (1, 2, 3, 0), "RGBA")
    data = ImageFolder([tmp_path])
    assert (data[0] == 0x80).all() and data[1][0, 0].tolist() == [1, 2, 3]


def test_empty_folders_and_broken_pictures_are_named(tmp_path):
    with refused(DataError, "no pictures"):
        ImageFolder([tmp_path])
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with refused(VoxcliError, "a.jpg", actual="text: 'no picture'"):
        ImageFolder([tmp_path])[0]
