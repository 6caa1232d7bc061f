import enum
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from voxcli.errors import UsageError
from voxcli.provenance import make_meta, sha256_bytes, sha256_file


class Rule(enum.Enum):
    slab = "slab"


def meta_of(options, inputs):
    return make_meta("fruxels", "fruxelize", options, inputs, seed=0, frame="camera", units="m")


def test_meta_is_json_and_does_not_depend_on_the_order_of_its_inputs():
    options = {"rule": Rule.slab, "size": (4, 3), "fov": np.float32(0.5), "nothing": None, "odd": float("inf")}
    one = json.dumps(meta_of(options, {"b": "2", "a": "1"}), allow_nan=False)
    two = json.dumps(meta_of(dict(reversed(options.items())), {"a": "1", "b": "2"}), allow_nan=False)
    assert one == two
    assert json.loads(one)["options"] == {"rule": "slab", "size": [4, 3], "fov": 0.5, "nothing": None, "odd": "inf"}


def test_meta_holds_no_absolute_path():
    text = json.dumps(meta_of({"source": Path("/home/me/car.glb"), "deep": {"x": ["/a/b"]}}, {"/home/me/car.glb": "1", "sub/b.glb": "2"}))
    assert "/home" not in text and "/a" not in text
    assert '"car.glb": "1"' in text and '"sub/b.glb": "2"' in text


def test_weights_are_named_only_where_there_are_any():
    assert "weights" not in meta_of({}, {})
    assert make_meta("x", "y", {}, {}, 0, "camera", "m", weights="ab")["weights"] == "ab"


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path):
    data = b"x" * 3_000_001
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_a_missing_file_is_named():
    with pytest.raises(UsageError, match="absent.bin"):
        sha256_file("absent.bin")
