"""Pictures of nothing, and pictures that a model finds strange: one warning line each, and the work goes on."""

from dataclasses import replace

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

from voxcli import files
from voxcli.cli.framework.picture_warnings import is_transparent, is_uniform
from voxcli.models.ssz import inference
from voxcli.scene import Picture

NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def even(level=128, shape=(60, 80), spread=0, kind=np.uint8):
    noise = np.random.default_rng(1).integers(0, spread + 1, (*shape, 3))
    return (level + noise).astype(kind)


def test_what_is_of_one_colour_and_what_is_not():
    assert (
        is_uniform(Picture(even()))
        and is_uniform(Picture(even(spread=5)))
        and is_uniform(Picture(even(30000, spread=1200, kind=np.uint16)))
    )
    assert (
        not is_uniform(Picture(even(spread=12)))
        and not is_uniform(Picture(NOISE))
        and not is_uniform(Picture(NOISE.astype(np.uint16) * 257))
    )
    line = even()
    line[30] = 0  # one row of 60: a horizon
    assert not is_uniform(Picture(line))
    speck = even()
    speck[30, 40:44] = 0  # a few pixels of 4,800
    assert is_uniform(Picture(speck))
    ramp = np.repeat(np.linspace(100, 160, 80).astype(np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    assert not is_uniform(Picture(ramp))
    assert is_uniform(Picture(even(shape=(1200, 1600), spread=4)))


def test_only_what_is_not_transparent_counts():
    shown = np.zeros((60, 80), np.uint8)
    assert is_transparent(Picture(NOISE, shown)) and not is_transparent(Picture(NOISE)) and not is_transparent(Picture(NOISE, shown + 255))
    shown[20:40, 20:40] = 255
    inside = NOISE.copy()
    inside[20:40, 20:40] = 77
    assert is_uniform(Picture(inside, shown)) and not is_uniform(Picture(NOISE, shown))


@pytest.fixture
def folder(tmp_path):
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    Image.fromarray(even(spread=3)).save(tmp_path / "fog.png")
    Image.fromarray(NOISE).save(tmp_path / "noise.png")
    clear = Image.fromarray(NOISE).convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    return tmp_path


@pytest.mark.parametrize("verb, target", [("predict", "out.npz"), ("segment", "out.json")])
@pytest.mark.parametrize("name, said", [("fog.png", "nearly of one colour"), ("clear.png", "all transparent"), ("noise.png", None)])
def test_pictures_of_nothing_are_warned_of_once(voxcli, folder, verb, target, name, said):
    code, _, errors = voxcli(verb, name, "-m", "ssz", "--weights", "best.safetensors", "-o", target)
    warned = [line for line in errors.splitlines() if line.startswith("warning: ")]
    assert code == 0 and (folder / target).exists()
    assert len(warned) == (said is not None) and all(name in line and said in line for line in warned), errors


def test_objects_of_one_colour_are_warned_of_and_transparent_ones_refused_as_ever(voxcli, folder):
    FILES["object.safetensors"](folder / "object.safetensors")
    code, _, errors = voxcli("predict", "fog.png", "--weights", "object.safetensors", "-o", "fog.npz")
    assert code == 0 and errors.count("nearly of one colour") == 1
    code, _, errors = voxcli("predict", "clear.png", "--weights", "object.safetensors", "-o", "clear.npz")
    assert code == 2 and errors.startswith("error: ") and "transparent" in errors


@pytest.mark.parametrize("verb, target", [("predict", "out.npz"), ("segment", "out.json")])
@pytest.mark.parametrize("score", [2.0, 4.0])
def test_a_picture_that_the_model_finds_strange_is_warned_of(voxcli, folder, monkeypatch, verb, target, score):
    plain = inference.SSZPredictor.predict

    def predict(*args, **options):
        for grid in plain(*args, **options):
            yield replace(grid, meta=grid.meta | {"strangeness": {"score": score, "threshold": 3.0}})

    monkeypatch.setattr(inference.SSZPredictor, "predict", predict)
    code, _, errors = voxcli(verb, "noise.png", "-m", "ssz", "--weights", "best.safetensors", "-o", target)
    warned = [line for line in errors.splitlines() if line.startswith("warning: ")]
    assert code == 0 and len(warned) == (score > 3), errors
    assert all("noise.png" in line and "unlike the pictures that the model learnt from" in line for line in warned)
    if verb == "predict":
        assert files.read(folder / target).meta["prediction"]["strangeness"]["score"] == score
