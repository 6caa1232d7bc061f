"""`predict --poses` beside a mesh, from weights that hold a discriminator."""

import json
from dataclasses import replace

import trimesh
from example_files import FILES

from voxcli.models.weights import load_weights, save_weights


def test_poses_are_written_beside_a_mesh_and_wanted_only_from_weights_that_know_them(refused, voxcli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    FILES["street.png"](tmp_path / "street.png")
    # A last bias that makes everything a car: one instance that fills the frustum.
    weights = load_weights("best.safetensors")
    weights.tensors["decoder.head.conv.bias"][2] += 100
    facts = {k: v for k, v in weights.facts.items() if k != "version"}
    save_weights("best.safetensors", replace(weights, facts=facts))
    common = ("predict", "street.png", "--weights", "best.safetensors", "--device", "cpu", "-q")
    code, _, errors = voxcli(*common, "-o", "scene.glb", "--poses", "poses.json")
    assert (code, errors) == (0, "")
    (found,) = json.loads((tmp_path / "poses.json").read_text())["objects"]
    assert found["class"] == "car" and 0 <= found["score"] <= 1 and len(found["rotation_wxyz"]) == 4
    assert set(trimesh.load(tmp_path / "scene.glb").geometry) == {"car", "car box"}
    refused(*common, "-o", "again.glb", "--poses", "poses.json", named="poses.json")
    assert voxcli("weights", "export", "best.safetensors", "-o", "bare.safetensors", "--generator-only")[0] == 0
    code, _, errors = voxcli("predict", "street.png", "--weights", "bare.safetensors", "-o", "b.npz", "--poses", "b.json", "-q")
    assert code != 0 and "discriminator" in errors and not (tmp_path / "b.npz").exists()
