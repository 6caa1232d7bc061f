"""Commands, options and JSON keys are those of inventory.txt, so that a change of them shows in a review."""

import inventory
import pytest

from voxcli.cli import app

COMMITTED = inventory.read_committed()
RENEW = "a wanted change is written by: python tests/cli/inventory.py"


def test_every_command_and_output_has_its_section():
    commands = [f"voxcli {entry.words}" for entry in app.COMMANDS]
    outputs = [f"JSON of: voxcli {line}" for line in inventory.SECTIONS]
    assert sorted(COMMITTED) == sorted([inventory.EVERY, inventory.RECORDS, *commands, *outputs]), RENEW


@pytest.mark.parametrize("entry", app.COMMANDS, ids=lambda entry: entry.words)
def test_options_are_those_of_the_inventory(entry):
    assert sorted(inventory.command_lines(entry)) == sorted(COMMITTED[inventory.EVERY] + COMMITTED[f"voxcli {entry.words}"]), RENEW


@pytest.mark.parametrize("line", inventory.SECTIONS)
def test_keys_of_json_are_those_of_the_inventory(voxcli, tmp_path, line):
    def run(*words):
        code, text, errors = voxcli(*words)
        assert code == 0, errors
        return text

    shared = COMMITTED[inventory.RECORDS] if inventory.SECTIONS[line] == "records" else []
    assert sorted(inventory.output_lines(line, run, tmp_path)) == sorted(shared + COMMITTED[f"JSON of: voxcli {line}"]), RENEW


def test_keys_of_nested_values_are_found_with_their_types():
    value = {"a": [{"b": 1}, {"b": "x", "c": None}], "d": {}, "e": [[1.5]], "f": True}
    assert inventory.key_lines(value) == ["a[].b: number or text", "a[].c: null", "d: empty object", "e[][]: number", "f: truth"]
