"""Colours of classes, parts and instances: told apart by all eyes, and the same everywhere."""

import colorsys
import json
import struct
from itertools import combinations

import numpy as np
import pytest

from voxcli.files.glb import write_glb
from voxcli.files.registry import Options
from voxcli.geometry.visible import face_colours
from voxcli.ops.viewer.differences import CATEGORIES
from voxcli.ops.viewer.panes import pane_of
from voxcli.scene import STREET_CLASSES, Labels, Mesh, class_colour

LEAST = 20  # in CIELAB; 2.3 is just noticeable side by side
EYES = {  # Machado, Oliveira and Fernandes, 2009, table of severity 1, on linear light
    "all cones": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])  # D65


def linear(colour):
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(light):
    share = TO_XYZ @ np.clip(light, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_measure_is_that_of_cielab():
    assert lab(linear((255, 255, 255))) == pytest.approx([100, 0, 0], abs=0.02)
    assert lab(linear((255, 0, 0))) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)  # as published for sRGB red under D65


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("names", [STREET_CLASSES[1:], [f"part-{k}" for k in range(1, 13)], CATEGORIES], ids=["street", "parts", "hits"])
def test_colours_differ_for_all_eyes(names, eyes):
    colours = {name: CATEGORIES[name] if name in CATEGORIES else class_colour(name) for name in names}
    for one, other in combinations(colours, 2):
        distance = np.linalg.norm(np.subtract(*(lab(EYES[eyes] @ linear(colours[name])) for name in (one, other))))
        assert distance >= LEAST, (one, other)


@pytest.mark.parametrize("name", STREET_CLASSES[1:])
def test_instances_have_tones_of_their_class(name):
    tones = [class_colour(f"{name}-{k}") for k in range(1, 6)]
    assert tones[0] == class_colour(name) and len(set(tones)) == 5
    hues = [colorsys.rgb_to_hsv(*tone)[:2] for tone in tones]  # what is almost grey, the ground, has almost no hue
    assert all(min(abs(hue - hues[0][0]), 1 - abs(hue - hues[0][0])) * saturation < 0.02 for hue, saturation in hues)
    lightness = sorted(lab(linear(tone))[0] for tone in tones)
    assert min(np.diff(lightness)) > 4


@pytest.mark.parametrize("labelled", [True, False])
def test_one_colour_in_glb_in_pictures_and_on_the_page(labelled):
    names = ("person", "part-2", "sofa")
    vertices, faces = np.eye(3)[[0, 1, 2] * 3] + np.arange(9)[:, None], np.arange(9).reshape(3, 3)
    how = {"face_labels": np.arange(3, dtype=np.uint8), "classes": Labels(names, None)} if labelled else {
        "face_parts": np.arange(3, dtype=np.int32), "part_names": names}  # fmt: skip
    mesh, wanted = Mesh(vertices, faces, **how), np.array([class_colour(name) for name in names])
    data = write_glb(mesh, Options())
    tree = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert [material["name"] for material in tree["materials"]] == list(names)
    assert np.allclose([material["pbrMetallicRoughness"]["baseColorFactor"][:3] for material in tree["materials"]], linear(wanted))
    assert np.allclose(face_colours(mesh) * 255, wanted)
    assert [(group.name, group.colour) for group in pane_of(mesh, "a").groups] == [(name, class_colour(name)) for name in names]


def test_numbers_from_0_have_colours_of_their_own():
    assert len({class_colour(f"class_{k}") for k in range(12)}) == 12  # as points of unnamed labels are called
