"""The tool of equal trainings: rows, and its numbers against those by hand."""

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import equal_cost


def test_a_row_sets_entries_of_a_recipe_and_of_its_evaluation():
    row = equal_cost.row_of(
        'a=objects-uclid-small,stages=[shape],stages.shape.settings={views: [1, 2]},dataset.categories=["02"],protocol.x=[b,c]'
    )
    assert [stage["name"] for stage in row.recipe["stages"]] == ["shape"]
    assert row.recipe["stages"][0]["settings"] == {"views": [1, 2]}
    assert row.recipe["dataset"]["categories"] == ["02"]
    assert (row.weights, row.scored) == ("a", ["protocol.x=[b,c]"])
    assert equal_cost.row_of("b=@a,protocol.x=1") == ("b", "a", {}, ["protocol.x=1"])


def test_the_table_has_means_and_paired_differences_with_standard_errors(tmp_path):
    """1, 2, 3 have mean 2 and standard error 1 / sqrt 3; 2, 4, 6 are larger by 1, 2, 3: 2 with the same error."""
    for name, factor in (("one", 1), ("two", 2)):
        for seed in (0, 1):
            place = tmp_path / name / f"results-{seed}" / "weights"
            place.mkdir(parents=True)
            records = [{"s": {"metric": "iou", "value": factor * (k + seed), "parts": {"deep": -k}}} for k in (1, 2, 3)]
            lines = [json.dumps({"variant": "", "name": str(k), "records": record}) for k, record in enumerate(records)]
            (place / "samples.jsonl").write_text("\n".join(lines))
            (tmp_path / name / f"seed-{seed}.seconds").write_text("10")
        (tmp_path / name / "steps.json").write_text('{"steps": [3]}')
    rows = [equal_cost.Row(name, name, {"model": "ssz"}, []) for name in ("one", "two")]
    first, second = (line.split(" | ") for line in list(equal_cost.lines(tmp_path, rows, ["s"], [0, 1]))[2:])
    error = f"{1 / math.sqrt(3):.3f}"
    assert first[:8] == ["| one", "3", "10 s", "3", "s", f"2.000 ± {error}", f"3.000 ± {error}", "1.000"]
    assert second[7:] == ["2.000", f"+2.000 ± {error}", f"+3.000 ± {error} |"]
    part = list(equal_cost.lines(tmp_path, rows, ["s:deep"], [0, 1]))[2]
    assert f"-2.000 ± {error}" in part
    assert equal_cost.mean([1, 2, 6], median=True)[0] == pytest.approx(2)
