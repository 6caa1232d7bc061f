"""The edge of the program: streams, exit codes, and errors in one to three lines."""

import os
import pty
import signal
import subprocess
import time

import pytest
from processes import environment

from voxcli.version import __version__


def lines_of(errors):
    return errors.rstrip("\n").split("\n")


def test_version_goes_to_stdout(voxcli_process):
    assert voxcli_process("--version") == (0, f"voxcli {__version__}\n", "")


@pytest.mark.parametrize("args", [(), ("metrics",)])
def test_no_command_prints_the_help_on_stderr_and_is_a_usage_error(fake_process, args):
    code, text, errors = fake_process(*args)
    assert (code, text) == (2, "") and "Commands:" in errors


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("cuont", "3"), "Did you mean 'count'?"),
        (("metrics", "pare"), "Did you mean 'pair'?"),
        (("count", "3", "--sed", "1"), "Did you mean '--seed'?"),
        (("--versoin",), "Did you mean '--version'?"),
        (("count",), "Missing argument"),
        (("count", "three"), "three"),
        (("count", "3", "--seed", "-1"), "-1"),
        (("count", "3", "--flavour", "sour"), "sour"),
        (("copy", "a.txt"), "--output"),
    ],
)
def test_usage_errors_exit_2_with_what_to_do(fake, args, said):
    code, text, errors = fake(*args)
    assert (code, text) == (2, "")
    assert said in errors and errors.startswith("error: ") and len(lines_of(errors)) <= 3


@pytest.mark.parametrize("how", ["data", "memory", "bug"])
def test_failures_leave_stdout_empty_and_exit_2(fake_process, how):
    code, text, errors = fake_process("boom", how)
    assert (code, text) == (2, "")
    assert 1 <= len(lines_of(errors)) <= 3 and "Traceback" not in errors


def test_a_voxcli_error_says_what_was_expected_what_came_and_what_to_do(fake):
    assert fake("boom", "data")[2] == "error: Wrong.\nexpected right, got wrong\nDo better.\n"


def test_a_missed_gate_exits_1_and_keeps_the_data(fake):
    assert fake("boom", "gate") == (1, "data\n", "error: 0.4 is under 0.5.\n")


def test_an_internal_error_is_one_line_and_the_traceback_is_asked_for(fake_process):
    errors = fake_process("boom", "bug")[2]
    assert len(lines_of(errors)) == 1 and "internal error: KeyError" in errors and "VOXCLI_DEBUG=1" in errors
    code, text, errors = fake_process("boom", "bug", env={"VOXCLI_DEBUG": "1"})
    assert (code, text) == (2, "") and "Traceback" in errors


@pytest.mark.parametrize(
    ("how", "path", "said"),
    [
        ("read", "absent.txt", "No such file or folder: absent.txt."),
        ("read", ".", "A folder stands where a file was expected: .."),
        ("write", "file/x", "A file stands where a folder was expected: file/x."),
        ("write", "/dev/full", "No space left on the device"),
    ],
)
def test_errors_of_the_file_system_are_one_clear_line(fake, tmp_path, how, path, said):
    (tmp_path / "file").write_text("")
    code, text, errors = fake("boom", how, "--path", path)
    assert (code, text) == (2, "") and errors.startswith(f"error: {said}") and len(lines_of(errors)) == 1


def test_a_warning_of_a_library_is_one_line_on_stderr(fake_process):
    assert fake_process("boom", "warn", "-q") == (0, "data\n", "warning: odd thing\n")


def test_a_reader_that_leaves_ends_the_command_quietly_with_0(fake_process, tmp_path):
    command = " ".join([*fake_process.command, "count", "200000", "-q"])
    script = f"set -o pipefail; {command} | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"line": 0')


def test_help_into_a_closed_pipe_is_quiet_too(fake_process, tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*fake_process.command, "count", "--help"], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, env=environment())
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("args", [["count", "3", "-q"], ["count", "--help"]])
def test_a_full_disk_behind_stdout_is_an_error(fake_process, tmp_path, args):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*fake_process.command, *args], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stderr) == (2, b"error: No space left on the device.\n")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cleans_up_and_exits_130(fake_process, tmp_path, number, workers):
    command = [*fake_process.command, "wait", str(tmp_path), "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob("temporary*"))) < workers and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (130, b"", b"error: interrupted.\n")
    assert time.monotonic() - started < 10
    if workers == 1:
        assert not list(tmp_path.glob("temporary*"))


def test_quiet_hides_notes_and_verbose_adds_details(fake_process):
    assert fake_process("count", "1")[2] == "counting\n"
    assert fake_process("count", "1", "-q")[2] == ""
    assert fake_process("count", "1", "-v")[2] == "counting\nin detail\n"


# -- terminals ------------------------------------------------------------------------------------------------------------------------


def on_terminal(command, folder, stdout_too=True, **env):
    """Run with stderr (and stdout) on a terminal of its own; returns (code, what the terminal showed)."""
    main, side = pty.openpty()
    extra = {"TERM": "xterm-256color", **env}
    stdout = side if stdout_too else subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=side, cwd=folder, env=environment(**extra))
    os.close(side)
    shown = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    return process.wait(), shown.decode()


def test_records_are_a_table_on_a_terminal(fake_process, tmp_path):
    code, shown = on_terminal([*fake_process.command, "count", "2", "-q"], tmp_path)
    assert code == 0
    assert "flavour" in shown.splitlines()[0] and "plain" in shown and "{" not in shown


def test_progress_shows_on_a_terminal_and_never_with_quiet_or_in_a_pipe(fake_process, tmp_path):
    draw = "\x1b["
    assert draw in on_terminal([*fake_process.command, "count", "3"], tmp_path, stdout_too=False)[1]
    assert on_terminal([*fake_process.command, "count", "3", "-q"], tmp_path, stdout_too=False)[1] == ""
    assert draw not in fake_process("count", "3")[2]


def test_no_color_is_honoured(fake_process, tmp_path):
    _, shown = on_terminal([*fake_process.command, "count", "2"], tmp_path, NO_COLOR="1")
    assert "\x1b[3" not in shown.replace("\x1b[?25", "")


def test_binary_is_refused_on_a_terminal_before_anything_is_done(fake_process, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    code, shown = on_terminal([*fake_process.command, "copy", "a.txt", "-o", "-"], tmp_path)
    assert code == 2 and "terminal" in shown and "-o FILE" in shown
