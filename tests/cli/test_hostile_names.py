"""Names of files that are no text, hold control characters, or are pipes, loops and dangling links; lists from a pipe; closed streams."""

import csv
import io
import json
import os
import subprocess
import threading

import numpy as np
import pytest
from example_files import FILES, fruxel_grid, picture
from processes import environment

from voxcli import files
from voxcli.cli.framework import inputs
from voxcli.errors import DataError, printable
from voxcli.scene import Mesh

TETRAHEDRON = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
NAMES = [os.fsdecode(b"\xff\xfe.stl"), "\x1b[2J.stl", "a\nerror: forged.stl", "turned\u202egnp.stl", "t\tab.stl", "\x9b31m.stl"]
SHOWN = [r"\xff\xfe.stl", r"\x1b[2J.stl", r"a\nerror: forged.stl", r"turned\u202egnp.stl", r"t\tab.stl", r"\x9b31m.stl"]
AREA = 1.5 + np.sqrt(3) / 2


@pytest.fixture
def hostile(tmp_path):
    files.write(tmp_path / "plain.stl", TETRAHEDRON)
    for name in NAMES:
        path = os.path.join(tmp_path, "d", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write((tmp_path / "plain.stl").read_bytes())
    return tmp_path


def bare(text):
    """Whether text holds nothing that a terminal would act on but line breaks."""
    return text == printable(text, keep="\n")


def test_what_is_printed_is_escaped_and_short():
    assert [printable(name) for name in NAMES] == SHOWN
    assert printable("plain é 漢 \\x1b") == "plain é 漢 \\x1b"
    assert str(DataError("a\nb", actual="c\rd", hint="e")) == "a\\nb\ngot c\\rd\ne"
    assert len(str(DataError("x" * 5000 + ".stl does not exist."))) < 300


def test_a_batch_of_such_names_is_done_and_told_as_text(voxcli, hostile):
    code, text, errors = voxcli("info", "d", "--format", "jsonl")
    assert code == 0 and bare(text), errors
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["file"] for row in rows} == {f"d/{name}" for name in NAMES[1:]} | {r"d/\xff\xfe.stl"}
    assert all(row["area"] == pytest.approx(AREA) for row in rows)
    code, _, errors = voxcli("convert", "d", "-o", "out", "--format", "ply")
    assert (code, errors) == (0, f"out: {len(NAMES)} files written.\n")
    assert {os.path.splitext(name)[0] for name in os.listdir(hostile / "out")} == {os.path.splitext(name)[0] for name in NAMES}
    told = [name for path in (hostile / "out").iterdir() for name in files.read(path).meta["inputs"]]
    assert sorted(told) == sorted(f"d/{name}" for name in SHOWN)


def test_errors_and_plans_of_such_names_are_escaped(voxcli, hostile):
    for name in NAMES:
        (hostile / "d" / name).write_bytes(b"")
    code, text, errors = voxcli("info", "d", "--keep-going")
    assert code == 1 and bare(errors) and json.loads(text) == []
    assert [line for line in errors.splitlines() if line.startswith("error: ")] == sorted(
        f"error: d/{name} is empty." for name in SHOWN) + ["error: 6 of 6 items failed."] or len(errors.splitlines()) == 7  # fmt: skip
    for name, shown in zip(NAMES, SHOWN, strict=True):
        assert shown in voxcli("info", f"d/{name}")[2] and shown in voxcli("info", f"d/absent{name}")[2]
    code, text, _ = voxcli("convert", "d", "-o", "out", "--format", "ply", "--dry-run")
    assert code == 0 and bare(text) and len(text.splitlines()) == 6


@pytest.mark.parametrize("format", ["table", "tsv", "csv", "jsonl", "json"])
def test_records_of_such_names_are_escaped(voxcli, hostile, format):
    code, text, errors = voxcli("metrics", "chamfer", "d", "d", "--points", "50", "--format", format)
    assert code == 0, errors
    assert bare(text.replace("\t", ""))
    if format == "tsv":
        rows = list(csv.reader(io.StringIO(text), delimiter="\t"))
        assert {row[0].replace("\t", r"\t") for row in rows[1:-1]} == {name[:-4] for name in SHOWN}
    if format in ("json", "jsonl"):
        rows = json.loads(text) if format == "json" else [json.loads(line) for line in text.splitlines()]
        assert {row["pred"] for row in rows[:-1]} == {f"d/{name}" for name in NAMES[1:]} | {r"d/\xff\xfe.stl"}


@pytest.mark.parametrize("args", [["info", "{}"], ["convert", "{}", "-o", "o.ply"], ["convert", "plain.stl", "-o", "{}"], ["info", "@{}"],
                                  ["info", "plain.stl", "--config", "{}"], ["metrics", "chamfer", "{}", "plain.stl"]])  # fmt: skip
def test_a_name_of_5000_characters_ends_in_short_lines(refused, hostile, args):
    refused(*[arg.format("n" * 5000 + ".stl") for arg in args], named="nnn")


# -- pipes, loops, dangling links ---------------------------------------------------------------------------------------------------------


def feed(path, data):
    def write():
        with open(path, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=write, daemon=True).start()


@pytest.mark.parametrize("source", ["d", "d/*.stl", "d/**/*.stl"])
def test_a_named_pipe_in_a_folder_is_left_out_with_a_word(voxcli, tmp_path, source):
    files.write(tmp_path / "d/a.stl", TETRAHEDRON)
    os.mkfifo(tmp_path / "d/pipe.stl")
    code, text, errors = voxcli("info", source)
    assert code == 0 and [row["file"] for row in json.loads(text)] == ["d/a.stl"]
    assert errors.startswith("warning: d/pipe.stl ") and len(errors.splitlines()) == 1


@pytest.mark.parametrize("how", ["named", "listed"])
def test_a_named_pipe_that_is_named_is_read(voxcli, tmp_path, how):
    files.write(tmp_path / "a.stl", TETRAHEDRON)
    os.mkfifo(tmp_path / "pipe.stl")
    (tmp_path / "list.txt").write_text("pipe.stl\n")
    feed(tmp_path / "pipe.stl", (tmp_path / "a.stl").read_bytes())
    code, text, errors = voxcli("info", "pipe.stl" if how == "named" else "@list.txt", "--format", "jsonl")
    assert code == 0 and json.loads(text)["area"] == pytest.approx(AREA), errors


def test_what_a_shell_substitutes_is_read(voxcli_process, tmp_path):
    files.write(tmp_path / "a.stl", TETRAHEDRON)
    line = f"{' '.join(voxcli_process.command)} info <(cat a.stl) --input-format stl"
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=tmp_path, env=environment())
    assert done.returncode == 0 and json.loads(done.stdout)["area"] == pytest.approx(AREA)


def test_links_in_a_circle_are_walked_once_and_links_elsewhere_are_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("d/a.txt", "d/sub/b.txt", "else/c.txt", "d/.hidden/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for loop in ("one", "two", "sub/three"):
        os.symlink(tmp_path / "d", tmp_path / "d" / loop)
    os.symlink(tmp_path / "else", tmp_path / "d/linked")
    found = [each.path for each in inputs.expand(["d/**/*.txt"], (".txt",))[0]]
    assert found == ["d/a.txt", "d/linked/c.txt", "d/sub/b.txt"]
    assert [each.path for each in inputs.expand(["**/b.txt"], (".txt",))[0]] == ["d/sub/b.txt"]
    assert [each.path for each in inputs.expand([f"{tmp_path}/d/**"], (".txt",))[0]] == [str(tmp_path / path) for path in found]


def test_a_dangling_link_is_told_as_one(refused, tmp_path):
    os.symlink("nowhere.stl", tmp_path / "a.stl")
    os.symlink("b.stl", tmp_path / "b.stl")
    for name in ("a.stl", "b.stl"):
        refused("info", name, named=[name, "link"], unnamed="Did you mean")


# -- outputs that are there --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [["convert", "d", "-o", "o", "--format", "ply"], ["render-surfels", "d", "-o", "o", "--size", "16"],
                                  ["fruxelize", "d", "-o", "o", "--grid", "voxel", "--resolution", "8"], ["view", "d", "-o", "o"]],
                         ids=lambda line: line[0])  # fmt: skip
def test_skip_existing_makes_broken_outputs_again(voxcli, tmp_path, line):
    for name in "ab":
        files.write(tmp_path / f"d/{name}.stl", TETRAHEDRON)
    code, _, errors = voxcli(*line)
    assert code == 0, errors
    first, second = sorted((tmp_path / "o").iterdir())
    whole = second.read_bytes()
    mark = first.stat().st_mtime_ns
    for bad in (b"", whole[: len(whole) // 2], b"junk"):
        second.write_bytes(bad)
        code, _, errors = voxcli(*line, "--skip-existing")
        assert code == 0 and "skipped 1 of 2" in errors and f"warning: o/{second.name}" in errors
        assert second.read_bytes() == whole and first.stat().st_mtime_ns == mark
    assert "skipped 2 of 2" in voxcli(*line, "--skip-existing")[2]


# -- lists --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [b"\xef\xbb\xbfone.txt\r\ntwo \xff.txt\r\n", b"one.txt\0two \xff.txt\0"], ids=["BOM", "NUL"])
def test_a_list_may_come_from_a_pipe_begin_with_a_bom_and_be_ended_by_zero_bytes(tmp_path, monkeypatch, listed):
    monkeypatch.chdir(tmp_path)
    names = ["one.txt", os.fsdecode(b"two \xff.txt")]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "list").write_bytes(listed)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))
    for source in ("@list", "@-"):
        assert [each.path for each in inputs.expand([source], ())[0]] == names


def test_stdin_is_a_list_or_an_input_once(refused, tmp_path):
    refused("info", "@-", "@-", input=b"a.stl\n", named="a.stl")
    (tmp_path / "a.stl").write_bytes(b"")
    refused("info", "@-", "-", "--input-format", "stl", input=b"a.stl\n", named="once")
    refused("info", "@-", input=b"\x89PNG\0\0\x1a", named="list")
    refused("info", "@-", input=b"# nothing\n", named="@-")


# -- closed streams -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "said"), [
    ("info - --input-format stl <&-", "stdin"), ("info @- <&-", "stdin"), ("info a.stl >&-", "stdout"),
    ("convert a.stl -o - --format ply >&-", "stdout"),
])  # fmt: skip
def test_a_closed_stream_is_told(voxcli_process, tmp_path, line, said):
    files.write(tmp_path / "a.stl", TETRAHEDRON)
    command = f"{' '.join(voxcli_process.command)} {line}"
    done = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, cwd=tmp_path, env=environment())
    errors = done.stderr.decode()
    assert done.returncode == 2 and errors.startswith("error: ") and f"{said}" in errors and "closed" in errors and "internal" not in errors


LISTED = {"convert": "obj", "fruxelize": "obj", "view": "npz", "predict": "png", "info": "obj", "metrics iou": "npz"}


@pytest.mark.parametrize("verb", LISTED)
def test_keep_going_names_what_a_list_names_in_vain_and_does_the_rest(refused, voxcli, tmp_path, verb):
    kind = LISTED[verb]
    for name in ("one", "two"):
        files.write(tmp_path / f"{name}.{kind}", {"obj": TETRAHEDRON, "npz": fruxel_grid(), "png": picture()}[kind])
    (tmp_path / f"loop.{kind}").symlink_to(f"loop.{kind}")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / f"folder.{kind}").mkdir()
    bad = [f"absent.{kind}", f"loop.{kind}", f"round/in.{kind}", f"folder.{kind}", f"{'x' * 300}.{kind}"]
    (tmp_path / "list").write_text("\n".join([f"one.{kind}", *bad, f"two.{kind}"]))
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    line = {
        "convert": ("-o", "out", "--to", "ply"), "fruxelize": ("-o", "out", "--size", 8, 8, "--depth", 8),
        "view": ("-o", "out", "--size", 16), "predict": ("-o", "out", "--weights", "best.safetensors"), "info": ("--format", "jsonl"),
        "metrics iou": ("@list", "--format", "jsonl"),
    }[verb]  # fmt: skip
    refused(*verb.split(), "@list", *line, named=bad[0])
    code, text, errors = voxcli(*verb.split(), "@list", *line, "--keep-going")
    assert code == 1 and errors.splitlines()[-1] == "error: 5 of 7 items failed."
    assert all(f"error: {name[:100]}" in errors for name in bad) and "internal error" not in errors
    told = {name for name in ("one", "two") if f'"{name}.{kind}"' in text}
    assert (told if "-o" not in line else {path.stem for path in (tmp_path / "out").iterdir()}) == {"one", "two"}


def test_a_scene_that_names_a_file_with_a_zero_byte_is_one_error(refused, tmp_path):
    (tmp_path / "scene.yaml").write_text('objects:\n- class: car\n  mesh: "a\\0b.obj"\n')
    refused("fruxelize", "scene.yaml", "-o", "out.npz", named="zero byte")
