"""`synth street --realism edges2image`: pictures redrawn, everything else as it was."""

import json

import numpy as np
import pytest
from PIL import Image

SMALL = ("--count", 2, "--size", 24, 20, "--depth", 8)


@pytest.fixture
def weights(tmp_path):
    import torch

    from voxcli import config
    from voxcli.models.edges2image.network import Edges2ImageConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    settings = Edges2ImageConfig(width=4, downs=2, blocks=0)
    save_weights(tmp_path / "e.safetensors", Weights(build(settings).state_dict(), "edges2image", config.to_mapping(settings)))
    return "e.safetensors"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_pictures_are_redrawn_and_all_else_stays(voxcli, tmp_path, weights):
    redrawn = ("synth", "street", *SMALL, "--realism", "edges2image", "--realism-weights", weights)
    assert voxcli("synth", "street", "-o", "plain", *SMALL)[0] == 0
    assert voxcli(*redrawn, "-o", "real")[0] == 0
    plain, real = contents(tmp_path / "plain"), contents(tmp_path / "real")
    assert set(real) - set(plain) == {"realism.json", "rendered/000000.png", "rendered/000001.png"}
    for name, data in plain.items():
        assert (real[name] == data) != name.startswith("images/"), name
        if name.startswith("images/"):
            assert real[name.replace("images", "rendered")] == data
    shape = np.asarray(Image.open(tmp_path / "real/images/000000.png")).shape
    assert shape == (20, 24, 3) and json.loads(real["realism.json"])["method"] == "edges2image"
    # A data set that was made before is redrawn like a new one; after an interruption the next call does what is missing.
    assert voxcli(*redrawn, "-o", "plain")[0] == 0 and contents(tmp_path / "plain") == real
    (tmp_path / "real/images/000001.png").write_bytes(plain["images/000001.png"])
    assert voxcli(*redrawn, "-o", "real")[0] == 0 and contents(tmp_path / "real") == real


def test_without_weights_there_is_one_error_that_says_how_to_train_them(voxcli, tmp_path):
    code, stdout, stderr = voxcli("synth", "street", "-o", "a", *SMALL, "--realism", "edges2image")
    assert code == 2 and not stdout and "voxcli train -m edges2image" in stderr and len(stderr.splitlines()) <= 3
    assert not (tmp_path / "a").exists()


def test_folders_redrawn_otherwise_and_foreign_weights_are_refused(voxcli, tmp_path, weights):
    realism = ("--realism", "edges2image", "--realism-weights")
    assert voxcli("synth", "street", "-o", "real", *SMALL, *realism, weights)[0] == 0
    assert "--realism" in voxcli("synth", "street", "-o", "real", *SMALL)[2]
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    for arguments in ((*realism, "bad.safetensors"), (*realism, "absent.safetensors"), ("--realism-weights", weights)):
        code, _, stderr = voxcli("synth", "street", "-o", "new", *SMALL, *arguments)
        assert code == 2 and stderr and not (tmp_path / "new").exists()
