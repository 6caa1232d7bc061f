"""The manual page is made from the commands: every command and option of the inventory is on it, and it is troff that `man` understands."""

import re
import shutil
import subprocess

import inventory
import pytest

from voxcli.cli import app
from voxcli.cli.commands.completion import manual

PAGE = manual()


def plain(text):
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


SECTIONS = dict(re.findall(r"^\.SS voxcli ([^\n]+)\n(.*?)(?=^\.SS |\Z)", plain(PAGE), re.MULTILINE | re.DOTALL))


def test_it_has_the_commands_of_the_inventory_and_no_others():
    listed = [title.removeprefix("voxcli ") for title in inventory.read_committed() if title.startswith("voxcli ")]
    assert [*SECTIONS] == listed


@pytest.mark.parametrize("entry", app.COMMANDS, ids=lambda entry: entry.words)
def test_a_command_has_its_options_with_their_help_and_its_examples(entry):
    section = SECTIONS[entry.words]
    committed = inventory.read_committed()
    lines = [line for line in committed[f"voxcli {entry.words}"] + committed[inventory.EVERY] if line.startswith("-")]
    wanted = {word for line in lines for word in re.split("[ /]", line.split(":")[0])} | {"--help", "-h"}
    found = [set(names.split(", ")) for names in re.findall(r"^\.TP\n\.B (.*)$", section, re.MULTILINE)]
    assert set().union(*found) == wanted
    assert all(help.strip() for help in re.findall(r"^\.TP\n\.B .*\n(.*)$", section, re.MULTILINE))
    assert f"Examples:\n.nf\nvoxcli {entry.words}" in section


def test_only_macros_of_man_are_used_and_text_begins_with_no_dot():
    used = set(re.findall(r"^(\.\S*)", PAGE, re.MULTILINE))
    assert used <= {'.\\"', ".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".nf", ".fi"} and not re.search("^'", PAGE, re.MULTILINE)
    assert PAGE.count("\n.nf\n") == PAGE.count("\n.fi\n") == len(app.COMMANDS)
    places = [PAGE.index(title) for title in (".TH VOXCLI 1 ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH COMMANDS")]
    assert places == sorted(places)


def test_groff_has_nothing_to_say_about_it():
    if shutil.which("groff") is None:
        pytest.skip("no groff here")
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii"], input=PAGE.encode(), capture_output=True)
    assert done.returncode == 0 and done.stderr == b""
    shown = re.sub(r".\x08|\x1b\[[\d;]*m", "", done.stdout.decode("ascii"))
    assert "--keep-going" in shown and "voxcli predict street.png -m ssz -o scene.npz" in shown
