"""`voxcli guide`: the list of topics, a page as text in a pipe, laid out on a terminal, and misspelt topics."""

import pytest
from rich.text import Text

from voxcli.cli.commands.guide import PAGES, topics
from voxcli.cli.framework.output import Output


def test_without_a_topic_each_page_is_listed_with_its_title(voxcli):
    code, text, errors = voxcli("guide")
    lines = text.splitlines()
    assert (code, errors) == (0, "")
    assert [line.split()[0] for line in lines] == topics() and len(lines) == len(list(PAGES.rglob("*.md")))
    for line in lines:
        name, title = line.split(maxsplit=1)
        assert (PAGES / f"{name}.md").read_text(encoding="utf-8").startswith(f"# {title}\n")


@pytest.mark.parametrize("topic", topics())
def test_a_pipe_gets_the_page_as_it_is(voxcli, topic):
    assert voxcli("guide", topic) == (0, (PAGES / f"{topic}.md").read_text(encoding="utf-8"), "")


def test_the_last_part_of_a_name_is_enough(voxcli):
    assert voxcli("guide", "ssz") == voxcli("guide", "results/ssz") == voxcli("guide", "results/ssz.md")


@pytest.mark.parametrize(("given", "nearest"), [("convention", "conventions"), ("trian", "train"), ("result/ssz", "results/ssz")])
def test_an_unknown_topic_names_the_nearest_one(refused, given, nearest):
    refused("guide", given, named=(f"'{given}'", f"'{nearest}'", "troubleshooting"))


@pytest.mark.parametrize("topic", ["../weights/NOTICE", "/etc/passwd", ""])
def test_only_pages_of_the_guide_are_shown(voxcli, topic):
    assert voxcli("guide", topic)[:2] == (2, "")


@pytest.mark.parametrize("topic", topics())
def test_a_terminal_gets_the_page_laid_out(voxcli, monkeypatch, topic):
    monkeypatch.setattr(Output, "on_terminal", property(lambda self: True))
    monkeypatch.setenv("TERM", "xterm-256color")
    code, text, _ = voxcli("guide", topic, env={"COLUMNS": "90", "NO_COLOR": "1"})
    shown = Text.from_ansi(text).plain
    page = (PAGES / f"{topic}.md").read_text(encoding="utf-8")
    assert code == 0 and text != page
    assert "```" not in shown and "|---|" not in shown, "marks of Markdown are gone"
    assert page.splitlines()[0].lstrip("# ").split()[0] in shown
    assert max(map(len, shown.splitlines())) <= 90
