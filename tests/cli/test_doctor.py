"""`voxcli doctor`, variables that belong to no option, and completions that are installed."""

import json
import shutil
import subprocess

import pytest

from voxcli.cli.commands import doctor


def test_the_doctor_lists_and_tests(voxcli):
    code, text, errors = voxcli("doctor", "--format", "json")
    rows = {row["what"]: row for row in json.loads(text)}
    assert (code, errors) == (0, "")
    assert rows["weights of ssz"]["state"] == "there" and "weights import" in rows["weights of pix2vox-a"]["about"]
    assert [rows[f"self-test: {name}"]["state"] for name in ("solids", "distances", "network")] == ["ok"] * 3
    assert rows["device"]["state"] and rows["torch"]["state"]


def test_a_failed_self_test_is_exit_code_1(voxcli, monkeypatch):
    monkeypatch.setattr(doctor, "_distance", lambda: doctor._expect("distance", 0.5, 0.6))
    code, text, errors = voxcli("doctor", "--format", "json")
    assert code == 1 and "distances" in errors
    row = next(row for row in json.loads(text) if row["what"] == "self-test: distances")
    assert row["state"] == "failed" and "0.6" in row["about"]


def test_a_variable_of_no_option_is_warned_of_with_the_nearest_name(voxcli, tmp_path):
    (tmp_path / "a.xyz").write_text("0 0 0\n1 1 1\n")
    code, _, errors = voxcli("info", "a.xyz", env={"VOXCLI_DEVISE": "cpu"})
    expected = "warning: the variable VOXCLI_DEVISE belongs to no option and changes nothing. Did you mean VOXCLI_DEVICE?\n"
    assert (code, errors) == (0, expected)
    errors = voxcli("info", "a.xyz", env={"VOXCLI_THREADS": "2"})[2]
    assert "VOXCLI_THREADS" in errors and "Did you mean" not in errors, "only near names are guessed"
    assert voxcli("info", "a.xyz", env={"VOXCLI_DEVICE": "cpu", "VOXCLI_MAX_MEMORY": "1G", "VOXCLI_RECIPE": "street"})[2] == ""


@pytest.mark.parametrize(("shell", "variable", "name"), [
    ("bash", "XDG_DATA_HOME", "bash-completion/completions/voxcli"), ("zsh", "ZDOTDIR", ".zfunc/_voxcli"),
    ("fish", "XDG_CONFIG_HOME", "fish/completions/voxcli.fish"), ("man", "XDG_DATA_HOME", "man/man1/voxcli.1"),
])  # fmt: skip
def test_completions_are_installed_and_replaced_where_they_are_ours(voxcli, tmp_path, shell, variable, name):
    home = {variable: str(tmp_path / "home")}
    for _ in range(2):
        code, text, errors = voxcli("completion", "install", shell, env=home)
        assert (code, text) == (0, "") and str(tmp_path / "home" / name) in errors
        assert (tmp_path / "home" / name).read_text() == voxcli("completion", shell)[1]
    (tmp_path / "home" / name).write_text("mine")
    assert voxcli("completion", "install", shell, env=home)[0] == 2
    assert (tmp_path / "home" / name).read_text() == "mine"


def test_what_cannot_be_installed_is_refused(refused):
    refused("completion", "install", named="bash")
    refused("completion", "install", "install", named="bash")
    refused("completion", "bash", "fish", named="installed")


def test_the_manual_page_has_every_command_and_option(voxcli, tmp_path):
    page = voxcli("completion", "man")[1]
    assert ".SS voxcli predict" in page and ".B \\-\\-keep\\-going" in page and page.startswith('.\\" made by')
    if shutil.which("groff"):
        (tmp_path / "voxcli.1").write_text(page)
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "voxcli.1"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr
