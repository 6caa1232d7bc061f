"""`weights list`: for every model what is there of it, and the score, which is that of the pages."""

import json
from pathlib import Path

import pytest

from voxcli.cli.commands.guide import PAGES
from voxcli.cli.commands.weights import scores
from voxcli.models.registry import MODELS, spec_of
from voxcli.models.weights import SHIPPED

SCORES = scores()
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCORES)
def test_the_score_is_that_of_the_page_and_of_the_readme(name):
    row = SCORES[name]
    page = (PAGES / "results" / f"{row['page']}.md").read_text(encoding="utf-8")
    # A table's cells, or the words of a sentence: the number stands there as it is listed.
    lines = [line for line in page.splitlines() if row["row"] in line]
    said = f"{row['score']:.1f}" if name == "pix2vox-f" else str(row["score"])
    assert lines and all(said in line[line.index(row["row"]) :].replace("|", " ").split() or f"{said} %" in line for line in lines)
    own = [line for line in README.splitlines() if line.startswith((f"| [`{name}`]", f"| `{name}`"))]
    assert own and all(said in line for line in own)


def test_every_model_has_a_line_that_says_what_is_there_of_it(voxcli):
    rows = [json.loads(line) for line in voxcli("weights", "list")[1].splitlines()]
    assert {row["model"] for row in rows} == {*MODELS} and {row["weights"] for row in rows} - {None} == {*SCORES}
    assert {row["weights"] for row in rows} - {None} == {path.stem for path in SHIPPED.glob("*.safetensors")}
    for row in rows:
        spec, there = spec_of(row["model"]), row["weights"] is not None
        assert (row["shipped"], row["importable"], row["trainable"]) == (there, spec.importer is not None, bool(spec.package))
        assert [row[key] is not None for key in ("numbers", "bytes", "score", "measure", "unit", "data", "page")] == 7 * [there]
        assert not there or row["bytes"] == (SHIPPED / f"{row['weights']}.safetensors").stat().st_size


def test_a_table_has_the_score_with_its_unit_and_its_data(voxcli):
    text = voxcli("weights", "list", "--format", "table")[1]
    (line,) = [line for line in text.splitlines() if "pix2vox-f" in line]
    assert "66.4 % IoU, one view; 56 objects of another seed" in line and "9.1 MB" in line
