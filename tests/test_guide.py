"""The guide's pages: their commands and their Python run, their links and the functions that they name are there."""

import re
import shlex
from pathlib import Path

import pytest

from voxcli.cli import app
from voxcli.cli.commands.guide import ORDER, PAGES, topics
from voxcli.models.weights import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
TEXTS = {topic: (PAGES / f"{topic}.md").read_text(encoding="utf-8") for topic in topics()}


def blocks(topic, language):
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[topic], flags=re.DOTALL)


def command_lines(topic):
    """Each `voxcli` call of the page's sh blocks, in order, with the file that it reads from or writes to by < or >."""
    lines = [line for block in blocks(topic, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [call.strip() for line in lines for call in line.split("&&")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder to run in, with the examples."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def test_every_topic_that_the_list_orders_is_a_page():
    assert set(ORDER) <= set(topics())


@pytest.mark.parametrize("topic", [topic for topic in TEXTS if blocks(topic, "sh")])
def test_every_command_of_a_page_runs(topic, folder, voxcli_in):
    lines = [line for line in command_lines(topic) if not line.startswith("voxcli train")]
    needed = {name for line in lines for name in re.findall(r" (?:-m|--weights) ([\w-]+)(?: |$)", line)}
    if missing := [name for name in needed if not (SHIPPED / f"{name}.safetensors").is_file()]:
        pytest.skip(f"no weights are shipped of {', '.join(missing)}")
    for line in command_lines(topic):
        assert line.startswith("voxcli "), f"not a command that a test can run: {line}"
        code, errors = voxcli_in(folder, line)
        assert code == 0, f"{line}\n{errors}"


def test_python_examples_run(folder):
    names = {}
    for block in blocks("python", "python"):
        exec(compile(block, "python.md", "exec"), names)
    assert names["record"]["metric"] == "iou"
    assert names["iou"](names["volume"].occupancy, names["volume"].occupancy) == 1
    assert names["standing"].meta["camera_assumed"]["height"] >= 0
    assert (folder / "scene.npz").is_file() and (folder / "chair.binvox").is_file()


@pytest.mark.parametrize("topic", TEXTS)
def test_a_page_begins_with_its_title_and_links_to_what_is_there(topic):
    assert re.match(r"# \S.{4,100}\n\n", TEXTS[topic])
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXTS[topic]):
        assert ((ROOT / "voxcli" / "guide" / f"{topic}.md").parent / target).exists(), target
    for other in re.findall(r"`voxcli guide ([\w/-]+)`", TEXTS[topic]):
        assert other in TEXTS, f"{topic} names the page {other}"


def test_each_equation_is_where_the_table_says():
    row = re.compile(r"^\| ([\w-]+) \| (\(.*?\)) \| .*? \| `(voxcli/[\w/]+\.py)` \| `(\w+)` \|$", re.MULTILINE)
    rows = row.findall(TEXTS["architecture"])
    for paper, equation, file, name in rows:
        assert re.search(rf"^ *(def|class) {name}\b", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE), (paper, equation)
    found = {(paper, int(number)) for paper, equations, *_ in rows for number in re.findall(r"\d", equations)}
    count = {"SSZ": 3, "Pix2Vox": 5, "pix2scene": 7, "UCLID-Net": 4, "JOF": 8}
    assert found == {(paper, number) for paper, numbers in count.items() for number in range(1, numbers + 1)}


def test_files_that_pages_name_are_there():
    for topic, text in TEXTS.items():
        for path in re.findall(r"`((?:voxcli|tests|examples|completions)/[\w/.-]+)`", text):
            if "NAME" not in path and "TOPIC" not in path:
                assert (ROOT / path).exists(), f"{topic}: {path}"


@pytest.fixture
def voxcli_in(capfdbinary, monkeypatch):
    """Run a line in this process, in a folder: (exit code, stderr). `< file` and `> file` go to real files."""
    import io
    import sys

    def run(folder, line):
        words = shlex.split(line)[1:]
        source = words[words.index("<") + 1] if "<" in words else None
        target = words[words.index(">") + 1] if ">" in words else None
        words = [word for k, word in enumerate(words) if word not in ("<", ">") and (k == 0 or words[k - 1] not in ("<", ">"))]
        if source is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / source).read_bytes())))
        code = app.run(words)
        said = capfdbinary.readouterr()
        if target is not None:
            (folder / target).write_bytes(said.out)
        return code, said.err.decode()

    return run


def outputs_of(text):
    """(output, line that makes it) of what the sh blocks of a text write with -o, and what its Python writes without overwrite."""
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for call in (call.strip() for line in block.splitlines() for call in line.split("&&")):
            if "--dry-run" not in call:
                yield from ((name.rstrip("/"), call) for name in re.findall(r" -o (\S+)", call))
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        yield from (
            (name, line) for line in block.splitlines() for name in re.findall(r'write\("([^"]+)"', line) if "overwrite" not in line
        )


def test_pages_and_the_readme_may_be_tried_in_one_folder():
    made = {}
    for topic, text in {"README": (ROOT / "README.md").read_text(encoding="utf-8"), **TEXTS}.items():
        for name, line in outputs_of(text):
            page, other = made.setdefault(name, (topic, line))
            assert page == topic or other == line and line.startswith("voxcli synth"), f"{name} is made by {page} and by {topic}"
