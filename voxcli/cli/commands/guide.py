"""`voxcli guide`: the pages of the guide, which lie in voxcli/guide as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxcli.cli.framework.output import out
from voxcli.errors import unknown_name

PAGES = Path(__file__).parents[2] / "guide"

ORDER = (
    "predict", "fruxelize", "render", "metrics", "evaluate", "segment-fuse", "train", "synth", "cluster", "files", "formats", "python",
    "commands", "conventions", "troubleshooting", "reliability", "architecture", "changes",
)  # fmt: skip
"""The order in which the topics are listed. Pages that are not named here follow, sorted by name."""


def topics() -> list[str]:
    """The names of all pages, in the order of the list: paths below voxcli/guide without `.md`."""
    found = sorted(page.relative_to(PAGES).with_suffix("").as_posix() for page in PAGES.rglob("*.md"))
    return sorted(found, key=lambda topic: ORDER.index(topic) if topic in ORDER else len(ORDER))


def _complete_topics(incomplete: str) -> list[str]:
    return [topic for topic in topics() if topic.startswith(incomplete)]


def guide(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]", show_default=False, autocompletion=_complete_topics,
            help="Which page, such as predict or results/ssz. Without it, the pages are listed.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Read the guide: one page a topic.

    A terminal shows the page laid out. A pipe or a file gets its Markdown text.

    Examples:
        voxcli guide
        voxcli guide conventions > conventions.md
    """
    if topic is None:
        out.data(_list())
        return
    out.markdown((PAGES / f"{_found(topic)}.md").read_text(encoding="utf-8"))


def _list() -> str:
    """One line a page: its name and its title."""
    known = topics()
    width = max(map(len, known))
    return "\n".join(f"{topic:<{width}}  {_title(topic)}" for topic in known)


def _title(topic: str) -> str:
    """The first line of a page, without the mark of a heading."""
    with (PAGES / f"{topic}.md").open(encoding="utf-8") as page:
        return page.readline().lstrip("# ").rstrip()


def _found(topic: str) -> str:
    """The page of that name; the last part of a name is enough. Raises UsageError that names the nearest one."""
    known = topics()
    name = topic.removesuffix(".md")
    if name in known:
        return name
    by_last_part = {each.rpartition("/")[2]: each for each in known}
    if name not in by_last_part:
        raise unknown_name("topic", topic, known)
    return by_last_part[name]
