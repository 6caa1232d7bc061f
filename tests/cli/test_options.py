"""Where an option's value comes from: flags, then VOXCLI_*, then --config, then defaults."""

import inspect
import json

import pytest
import yaml

from voxcli.cli import app
from voxcli.cli.framework import checks, options


def seed_of(result):
    code, text, errors = result
    assert code == 0, errors
    return json.loads(text)["seed"]


def test_flags_beat_variables_beat_the_file_beat_defaults(fake, tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 3\n")
    env = {"VOXCLI_SEED": "2"}
    assert seed_of(fake("count", "1")) == 0
    assert seed_of(fake("count", "1", "--config", "c.yaml")) == 3
    assert seed_of(fake("count", "1", "--config", "c.yaml", env=env)) == 2
    assert seed_of(fake("count", "1", "--config", "c.yaml", "--seed", "1", env=env)) == 1
    assert seed_of(fake("count", "1", env={"VOXCLI_CONFIG": "c.yaml"})) == 3


def test_a_file_may_hold_every_type_of_option(fake, tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 3\nflavour: sweet\nthreshold: 0.25\nname: [a, 2]\n")
    code, text, _ = fake("count", "1", "--config", "c.yaml")
    assert code == 0
    assert json.loads(text) == {"line": 0, "seed": 3, "flavour": "sweet", "threshold": 0.25, "names": ["a", "2"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("sede: 3\n", "c.yaml: unknown key 'sede'.\nDid you mean 'seed'?"),
        ("seed: three\n", "got 'three' from --config"),
        ("seed: -1\n", "got '-1' from --config"),
        ("flavour: sour\n", "sour"),
        ("lines: 3\n", "unknown key 'lines'"),
        ("config: d.yaml\n", "unknown key 'config'"),
    ],
)
def test_mistakes_in_a_file_are_usage_errors(fake, tmp_path, content, said):
    (tmp_path / "c.yaml").write_text(content)
    code, text, errors = fake("count", "1", "--config", "c.yaml")
    assert (code, text) == (2, "") and said in errors


def test_quiet_and_verbose_come_from_a_file_too_and_flags_beat_them(fake, tmp_path):
    (tmp_path / "quiet.yaml").write_text("quiet: true\n")
    (tmp_path / "verbose.yaml").write_text("verbose: 1\n")
    assert fake("count", "1", "--config", "quiet.yaml")[2] == ""
    assert fake("count", "1", "--config", "verbose.yaml")[2] == "counting\nin detail\n"
    assert fake("count", "1", "--config", "quiet.yaml", "-v")[2] == "counting\nin detail\n"
    assert fake("count", "1", "--config", "verbose.yaml", env={"VOXCLI_QUIET": "1"})[2] == ""
    (tmp_path / "both.yaml").write_text("quiet: true\nverbose: 1\n")
    assert fake("count", "1", "--config", "both.yaml")[0] == 2


def test_variables_and_keys_are_named_after_the_flag(fake, tmp_path):
    (tmp_path / "c.yaml").write_text("name: [a]\n")
    assert json.loads(fake("count", "1", "--config", "c.yaml")[1])["names"] == ["a"]
    assert json.loads(fake("count", "1", "--config", "c.yaml", env={"VOXCLI_NAME": "b"})[1])["names"] == ["b"]


def test_a_wrong_variable_is_named(fake):
    code, text, errors = fake("count", "1", env={"VOXCLI_SEED": "x"})
    assert (code, text) == (2, "") and "from VOXCLI_SEED" in errors


def test_print_config_is_a_valid_config_and_needs_no_inputs(fake, tmp_path):
    code, text, _ = fake("count", "--print-config", "--seed", "4", "--flavour", "sweet", "--name", "x")
    assert code == 0 and yaml.safe_load(text) == {
        "seed": 4,
        "flavour": "sweet",
        "threshold": None,
        "name": ["x"],
        "format": None,
        "quiet": False,
        "verbose": 0,
    }
    (tmp_path / "c.yaml").write_text(text)
    again = fake("count", "--print-config", "--config", "c.yaml")[1]
    assert list(yaml.safe_load(again).items()) == list(yaml.safe_load(text).items())
    assert seed_of(fake("count", "1", "--config", "c.yaml")) == 4


def test_print_config_says_where_each_value_is_from(fake, tmp_path):
    (tmp_path / "c.yaml").write_text("flavour: sweet\nseed: 3\n")
    env = {"VOXCLI_SEED": "5", "VOXCLI_FORMAT": "csv"}
    text = fake("count", "--print-config", "--config", "c.yaml", "--format", "json", "--name", "x", env=env)[1]
    assert text.splitlines() == [
        "seed: 5  # VOXCLI_SEED", "flavour: sweet  # --config", "threshold: null  # default", "name:  # --name", "- x",
        "format: json  # --format", "quiet: false  # default", "verbose: 0  # default",
    ]  # fmt: skip


def test_print_config_prints_every_option_of_every_command(voxcli):
    standing = {"config", "set", "print_config", "help"}
    for entry in app.COMMANDS:
        command = app.build_command(entry)
        wanted = {checks.key_of(each) for each in command.params if each.param_type_name == "option"} - standing
        words = ["pix2vox-shapenet"] if entry.words == "evaluate" else []
        code, text, errors = voxcli(*entry.words.split(), *words, "--print-config")
        assert code == 0, errors
        assert wanted <= {*(yaml.safe_load(text) or {})} <= wanted | {"training", "protocol"}, entry.words


def test_print_config_shows_nested_settings_too(fake, tmp_path):
    code, text, _ = fake("tune", "--print-config", "--set", "network.width=16")
    assert code == 0
    assert yaml.safe_load(text) == {
        "data": None, "seed": 0, "device": "auto", "quiet": False, "verbose": 0, "network": {"width": 16, "rate": 0.25, "layers": [1, 2]},
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(text)
    assert yaml.safe_load(fake("tune", "--print-config", "--config", "c.yaml")[1]) == yaml.safe_load(text)


@pytest.mark.parametrize("order", [1, -1])
def test_set_beats_the_file_whichever_comes_first(fake, tmp_path, order):
    (tmp_path / "c.yaml").write_text("data: d\nnetwork: {width: 32, rate: 1e-2}\n")
    flags = [("--config", "c.yaml"), ("--set", "network.width=64")][::order]
    code, text, errors = fake("tune", *flags[0], *flags[1])
    assert code == 0, errors
    assert json.loads(text)["network"] == {"width": 64, "rate": 0.01, "layers": [1, 2]}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.witdh=1", "network: unknown key 'witdh'.\nDid you mean 'width'?"),
        ("netwrok.width=1", "--set: unknown key 'netwrok'.\nDid you mean 'network'?"),
        ("network=1", "expected network.key=value"),
        ("seed=1", "Use --seed."),
        ("network.width=x", "network.width has the wrong type."),
    ],
)
def test_mistakes_in_nested_settings_are_usage_errors(fake, setting, said):
    code, text, errors = fake("tune", "--data", "d", "--set", setting)
    assert (code, text) == (2, "") and said in errors


def test_commands_without_nested_settings_have_no_set(fake):
    assert "--set" in fake("tune", "--help")[1]
    assert "--set" not in fake("count", "--help")[1]


def test_standing_options_do_not_reach_the_command():
    def command(name: str) -> None:
        seen.append(name)

    seen = []
    extended = options.standing(command)
    assert [*inspect.signature(extended).parameters] == ["name", "config", "print_config", "quiet", "verbose"]
    extended(name="x", config=None, print_config=False, quiet=True, verbose=0)
    assert seen == ["x"]


def test_first_takes_zero_for_a_value():
    assert options.first(None, 0, 1) == 0
