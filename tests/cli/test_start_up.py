"""Help, version and completion start fast, because they import nothing heavy."""

import subprocess
import sys

import pytest
from processes import IMPORTS, environment, processor_seconds

from voxcli.cli.app import COMMANDS, GROUPS

HEAVY = ("torch", "numpy", "scipy", "trimesh", "h5py", "PIL", "skimage", "yaml", "rich", "pydantic")
VISIBLE = [entry.words.split() for entry in COMMANDS if entry.exists]
GROUPS_THERE = [[group] for group in GROUPS if any(words[0] == group for words in VISIBLE)]
CALLS = [["--help"], ["--version"], ["guide"], ["guide", "conventions"], *([*words, "--help"] for words in [*GROUPS_THERE, *VISIBLE])]


@pytest.mark.parametrize("args", CALLS, ids=" ".join)
def test_help_imports_nothing_heavy(args):
    code = "import sys; from voxcli.cli.app import run; code = run(sys.argv[1:]); print(*sys.modules, file=sys.stderr); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and done.stdout
    assert not set(HEAVY) & set(done.stderr.split())


@pytest.mark.parametrize("args", CALLS, ids=" ".join)
def test_help_takes_less_than_150_ms(args):
    # Processor time, the best of several, because other work on the machine must not decide. A slow machine gets as long as it needs for a
    # fixed set of imports of the standard library, and half as long again.
    assert any(processor_seconds("-m", "voxcli", *args) < max(0.15, 1.5 * processor_seconds("-c", IMPORTS)) for _ in range(10))


def test_commands_that_are_not_there_yet_are_not_shown(fake):
    code, text, _ = fake("--help")
    assert code == 0
    assert "count" in text and "metrics" in text
    assert "later" not in text and "secret" not in text and "synth" not in text
    code, text, errors = fake("later")
    assert (code, text) == (2, "") and "Unknown command 'later'" in errors


def test_every_command_of_the_table_says_what_it_does():
    for entry in COMMANDS:
        assert entry.help.endswith(".") and len(entry.help) < 80
        group, _, rest = entry.words.partition(" ")
        assert not rest or group in GROUPS


def test_nothing_is_slow_to_fail_for_a_misspelt_command(voxcli_process):
    code, text, errors = voxcli_process("inof")
    assert (code, text) == (2, "")
    assert errors.startswith("error: Unknown command 'inof'.\nDid you mean 'info'? Known: ")
    assert any(processor_seconds("-m", "voxcli", "inof", code=2) < 1.5 * processor_seconds("-c", IMPORTS) for _ in range(10))
