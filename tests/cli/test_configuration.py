"""voxcli.config: YAML in and out, merging, --set, and dataclasses that refuse what they do not know."""

import enum
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from refusals import refused

from voxcli import config
from voxcli.errors import DataError, FileFormatError, UsageError


class Norm(enum.Enum):
    batch = "batch"
    group = "group"


@dataclass(frozen=True)
class Optimiser:
    rate: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)


@dataclass(frozen=True)
class Training:
    steps: int
    name: str = "run"
    resume: bool = False
    norm: Norm = Norm.batch
    mode: Literal["fast", "exact"] = "fast"
    widths: tuple[int, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    folder: Path | None = None
    optimiser: Optimiser = Optimiser()
    extra: Any = None

    def __post_init__(self):
        if self.steps < 1:
            raise DataError("steps must be positive.", actual=self.steps)


FULL = Training(3, "a", True, Norm.group, "exact", (1, 2), {"car": 2.0}, Path("x"), Optimiser(0.1, (0.9, 0.99)), [1, "b"])


def test_a_dataclass_survives_yaml():
    assert config.from_mapping(Training, config.parse(config.dumps(config.to_mapping(FULL)), "text"), "training") == FULL


def test_defaults_fill_what_is_absent_and_whole_numbers_are_numbers():
    training = config.from_mapping(Training, {"steps": 1, "optimiser": {"rate": 1}}, "training")
    assert training == Training(1, optimiser=Optimiser(1.0)) and type(training.optimiser.rate) is float


@dataclass(frozen=True)
class Told:
    depth: Literal["true", "regressed"] = "true"


@pytest.mark.parametrize(("text", "depth"), [("depth: true", "true"), ("depth: 'true'", "true"), ("depth: regressed", "regressed")])
def test_the_word_true_of_a_choice_is_read_without_quotes(text, depth):
    assert config.from_mapping(Told, config.parse(text, "text"), "told").depth == depth


def test_a_choice_that_is_no_word_of_a_boolean_is_refused_still():
    with refused(UsageError, "told.depth", hint="regressed"):
        config.from_mapping(Told, {"depth": False}, "told")


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"stesp": 1}, "training: unknown key 'stesp'.\nDid you mean 'steps'?"),
        ({"steps": 1, "optimiser": {"rat": 1}}, "training.optimiser: unknown key 'rat'.\nDid you mean 'rate'?"),
        ({}, "training lacks steps."),
        ({"steps": "1"}, "training.steps has the wrong type.\nexpected a whole number, got the text '1'"),
        ({"steps": True}, "training.steps has the wrong type."),
        ({"steps": 1.5}, "training.steps has the wrong type."),
        ({"steps": 1, "resume": 1}, "training.resume has the wrong type.\nexpected true or false"),
        ({"steps": 1, "norm": "bacth"}, "training.norm: unknown value 'bacth'.\nDid you mean 'batch'? Known: batch, group."),
        ({"steps": 1, "mode": "fats"}, "training.mode: unknown value 'fats'.\nDid you mean 'fast'?"),
        ({"steps": 1, "widths": 3}, "training.widths has the wrong type.\nexpected a list"),
        ({"steps": 1, "widths": [1, "b"]}, "training.widths[1] has the wrong type."),
        ({"steps": 1, "optimiser": {"betas": [0.1]}}, "training.optimiser.betas has the wrong length.\nexpected 2, got 1"),
        ({"steps": 1, "weights": {"car": "x"}}, "training.weights.car has the wrong type."),
        ({"steps": 1, "folder": 3}, "training.folder has the wrong type.\nexpected a path"),
        ({"steps": 1, "optimiser": 3}, "training.optimiser must be a mapping."),
        ({"steps": 0}, "training: steps must be positive.\ngot 0"),
    ],
)
def test_wrong_keys_and_values_are_named(mapping, said):
    with pytest.raises((UsageError, DataError)) as caught:
        config.from_mapping(Training, mapping, "training")
    assert said in str(caught.value)


def test_later_mappings_win_and_inner_ones_are_merged():
    merged = config.merge({"a": {"b": 1, "c": 2}, "d": [1]}, None, {"a": {"b": 3}, "d": [2]})
    assert merged == {"a": {"b": 3, "c": 2}, "d": [2]}


def test_merging_leaves_its_inputs_alone():
    first = {"a": {"b": 1}}
    config.merge(first, {"a": {"b": 2}})
    assert first == {"a": {"b": 1}}


def test_set_takes_yaml_values_under_dotted_keys():
    settings = ["a.b=1", "a.c=[x, 2]", "d=1e-4", "e=true", "f=", "g=a=b", "a.b=2"]
    assert config.parse_set(settings) == {"a": {"b": 2, "c": ["x", 2]}, "d": 1e-4, "e": True, "f": None, "g": "a=b"}


@pytest.mark.parametrize("setting", ["a", "=1", "a..b=1", ".a=1"])
def test_a_malformed_setting_is_refused(setting):
    with refused(UsageError, "setting", expected="key=value or group.key=value"):
        config.parse_set([setting])


@pytest.mark.parametrize("settings", [["t.stages=[a, b]", "t.stages.a.steps=7"], ["t.stages.a.steps=7", "t.stages=[a, b]"]])
def test_a_value_and_keys_below_it_are_refused_as_one_would_be_lost(settings):
    with pytest.raises(UsageError, match=r"'t\.stages' is set as a whole and by its keys"):
        config.parse_set(settings)
    assert config.parse_set(["t.a={b: 1}", "t.a.b=2", "t.a.c=3"]) == {"t": {"a": {"b": 2, "c": 3}}}


@pytest.mark.parametrize("text", ["1e-4", "1E5", "-2.5e+3", ".5e1", "3e0"])
def test_numbers_with_an_exponent_are_numbers(text):
    assert config.parse(text, "text") == float(text)


@pytest.mark.parametrize("text", ["e5", "1e", "12ab", "1e5x", "v1e5"])
def test_words_with_an_e_stay_words(text):
    assert config.parse(text, "text") == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\na: 2\n", "line 2, column 1: not valid YAML: the key 'a' is given twice."),
        (b"a: [1", "not valid YAML"),
        (b"- 1\n", "a configuration is a mapping."),
        (b"\xff\xfe\x00", "not a text file."),
        (b"a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
)
def test_broken_files_are_refused_with_their_name(tmp_path, text, said):
    path = tmp_path / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(FileFormatError) as caught:
        config.load(path)
    assert said in str(caught.value) and "broken.yaml" in str(caught.value)


def test_an_empty_file_is_an_empty_configuration(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert config.load(tmp_path / "empty.yaml") == {}


@pytest.mark.parametrize("text", ["fov: yes", "fov: true", "workers: yes", "bbox: [1, no, 3, 4]"])
def test_yes_and_no_are_no_numbers(voxcli, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    code, shown, errors = voxcli("predict", "absent.png", "-o", "out.npz", "--config", "c.yaml")
    flag = "--" + text.partition(":")[0].replace("_", "-")
    assert (code, shown) == (2, "") and flag in errors and ("'true'" in errors or "'false'" in errors) and "--config" in errors


@pytest.mark.parametrize("text", ["batch_size: [1]", "fov: {a: 1}", "device: [1, 2]", "bbox: [[1], 2, 3, 4]"])
def test_a_list_is_not_one_value(voxcli, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    errors = voxcli("predict", "absent.png", "-o", "out.npz", "--config", "c.yaml")[2]
    assert text.partition(":")[0] in errors and "expected" in errors and "internal" not in errors


def test_one_value_of_an_option_that_may_be_repeated_needs_no_list(voxcli, tmp_path):
    for name, points in (("a", "0 0 0\n"), ("b", "3 4 0\n")):
        (tmp_path / f"{name}.xyz").write_text(points)
    found = []
    for text in ("threshold: 6", "threshold: [6]", "threshold: [1, 6]"):
        (tmp_path / "c.yaml").write_text(text)
        code, shown, _ = voxcli("metrics", "fscore", "a.xyz", "b.xyz", "--config", "c.yaml", "--format", "json")
        found.append((code, json.loads(shown)["params"]["thresholds"]))
    assert found == [(0, [6.0]), (0, [6.0]), (0, [1.0, 6.0])]


@pytest.mark.parametrize("text", ["size: 64", 'size: "32"', "size: [64]", "size: [64, 64, 64]"])
def test_an_option_of_two_values_takes_two(voxcli, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    code, shown, errors = voxcli("synth", "street", "-o", "street", "--count", "1", "--config", "c.yaml")
    assert (code, shown) == (2, "") and "'size'" in errors and "a list of 2" in errors


@pytest.mark.parametrize("text", ["threshold: 2026-01-01", "threshold: [2026-01-01]"])
def test_a_date_is_no_number(voxcli, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    code, shown, errors = voxcli("metrics", "fscore", "a.xyz", "b.xyz", "--config", "c.yaml")
    assert (code, shown) == (2, "") and "2026-01-01" in errors and "internal" not in errors


def test_yes_and_no_still_set_switches_and_once_verbose(voxcli, tmp_path):
    (tmp_path / "c.yaml").write_text("verbose: yes\noverwrite: no\nviews: yes\n")
    code, shown, _ = voxcli("predict", "--config", "c.yaml", "--print-config")
    assert code == 0 and {"verbose: 1  # --config", "overwrite: false  # --config", "views: true  # --config"} <= {*shown.splitlines()}


EMPTY = {
    "predict a.png -o": "--output", "info": "INPUT", "predict": "INPUT", "synth street --count 1 -o": "--output", "metrics iou a.npz": "GT",
    "convert a.npz -o": "--output", "segment a.png -o b.png --weights": "--weights", "guide": "TOPIC", "info a.npz --config": "--config",
}  # fmt: skip


@pytest.mark.parametrize("line", EMPTY)
def test_an_empty_name_is_called_empty_and_nothing_is_written(voxcli, tmp_path, line):
    more = ("-o", "z.npz") if line == "predict" else ()
    code, shown, errors = voxcli(*line.split(), "", *more)
    assert (code, shown) == (2, "") and errors.startswith(f"error: {EMPTY[line]} is empty"), errors
    assert not [*tmp_path.iterdir()]


def test_an_unknown_device_is_told_with_its_origin_before_any_work(voxcli, tmp_path):
    (tmp_path / "c.yaml").write_text("device: foo\n")
    line = ("predict", "absent.png", "-o", "out.npz")
    assert "'foo' from VOXCLI_DEVICE" in voxcli(*line, env={"VOXCLI_DEVICE": "foo"})[2]
    assert "'foo' from --config" in voxcli(*line, "--config", "c.yaml")[2]
    assert "got 'cuda:x'." in voxcli(*line, "--device", "cuda:x")[2]
