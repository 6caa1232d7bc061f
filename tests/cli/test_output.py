"""How rows are written."""

import csv
import io
import json

import numpy as np
import pytest
from refusals import refused

from voxcli.cli.framework.output import Output
from voxcli.errors import UsageError

ROWS = [
    {"metric": "iou", "value": 0.1 + 0.2, "ok": True, "parts": {"car": 0.5}, "name": 'a,b\t"c"'},
    {"metric": "chamfer", "value": None, "extra": [1, 2]},
]


def written(format, rows=ROWS, capsys=None, **options):
    output = Output()
    output.records(rows, format, **options)
    output.commit()
    return capsys.readouterr().out


def test_jsonl_is_one_object_a_line(capsys):
    assert [json.loads(line) for line in written("jsonl", capsys=capsys).splitlines()] == ROWS


def test_a_pipe_gets_jsonl_by_default(capsys):
    assert written(None, capsys=capsys) == written("jsonl", capsys=capsys)


def test_json_is_one_document(capsys):
    assert json.loads(written("json", capsys=capsys)) == ROWS


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_separated_values_keep_every_digit_and_every_odd_text(format, delimiter, capsys):
    first, second = csv.DictReader(io.StringIO(written(format, capsys=capsys)), delimiter=delimiter)
    assert float(first["value"]) == 0.1 + 0.2 and first["name"] == ROWS[0]["name"] and json.loads(first["parts"]) == {"car": 0.5}
    assert first["extra"] == "" and second["value"] == "" and first["ok"] == "true"


def test_columns_choose_and_order_what_a_table_shows(capsys):
    table = written("table", columns=["value", "metric"], capsys=capsys).splitlines()
    assert table[0].split() == ["value", "metric"] and table[2].split() == ["0.3", "iou"] and table[3].split() == ["chamfer"]


def test_a_table_outside_a_terminal_is_never_folded(capsys):
    table = written("table", rows=[{"name": "x" * 300, "value": 1}], capsys=capsys)
    assert "x" * 300 in table and len(table.splitlines()) == 3


def test_brackets_in_values_are_no_markup(capsys):
    assert "[red]x[/red]" in written("table", rows=[{"name": "[red]x[/red]"}], capsys=capsys)


def test_numbers_of_numpy_are_numbers(capsys):
    assert json.loads(written("jsonl", rows=[{"a": np.float32(0.5), "b": np.arange(2)}], capsys=capsys)) == {"a": 0.5, "b": [0, 1]}


def test_no_rows_are_no_lines(capsys):
    assert written("jsonl", rows=[], capsys=capsys) == ""


def test_an_unknown_format_names_the_nearest(capsys):
    with refused(UsageError, "'jsnol'", hint="'jsonl'"):
        written("jsnol", capsys=capsys)


def test_nothing_reaches_stdout_before_the_end(capsys):
    output = Output()
    output.data("text")
    assert capsys.readouterr().out == ""
    output.reset()
    output.commit()
    assert capsys.readouterr().out == ""
