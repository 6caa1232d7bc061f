"""Tables: a row for each method, the published ones first, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voxcli.errors import unknown_name
from voxcli.evaluation.protocol import MEAN, Column, Protocol, Table
from voxcli.evaluation.results import Summary
from voxcli.evaluation.samples import Line
from voxcli.metrics.records import Record, summarise
from voxcli.metrics.summaries import SAMPLES
from voxcli.provenance import Json


@dataclass(frozen=True)
class Row:
    """A row. published: its numbers are the paper's. errors: standard errors of means over samples. scored, missing: samples; counts: by
    column, where these differ."""

    name: str
    published: bool
    cells: dict[str, float | None]
    errors: dict[str, float | None]
    scored: int | None = None
    missing: int | None = None
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, column: str) -> tuple[int | None, int | None]:
        """(samples scored, missing) behind one column: those of the category or the variant, else of all."""
        return self.counts.get(column, (self.scored, self.missing))


@dataclass(frozen=True)
class FilledTable:
    """A table with its numbers."""

    table: Table
    columns: list[str]
    rows: list[Row]


def fill(protocol: Protocol, methods: Mapping[str, Summary]) -> list[FilledTable]:
    """Every table of a protocol with the rows of methods, by name."""
    return [_filled(protocol, table, methods) for table in protocol.tables]


def _filled(protocol: Protocol, table: Table, methods: Mapping[str, Summary]) -> FilledTable:
    published = [Row(name, True, dict(cells), {}) for name, cells in table.published.items()]
    ours = [_row(protocol, table, name, summary) for name, summary in methods.items()]
    seen = list(dict.fromkeys(key for row in (*published, *ours) for key in row.cells if key != MEAN))
    mean = any(MEAN in row.cells for row in (*published, *ours))
    return FilledTable(table, seen + ([MEAN] if mean else []), published + ours)


def _row(protocol: Protocol, table: Table, name: str, summary: Summary) -> Row:
    cells: dict[str, float | None] = {}
    errors: dict[str, float | None] = {}
    ways = list(protocol.all_variants)
    if table.over == "columns":
        for label, column in table.columns.items():
            record = summary.records.get((ways[0], column.measure))
            cells[label] = None if record is None else _number(record, column.part)
            errors[label] = _error(protocol, summary, ways[0], column, None)
    elif table.over == "variants":
        assert table.column is not None
        for way in ways:
            record = summary.records.get((way, table.column.measure))
            cells[way] = None if record is None else _number(record, table.column.part)
            errors[way] = _error(protocol, summary, way, table.column, None)
    else:
        assert table.column is not None
        record = summary.records.get((ways[0], table.column.measure))
        if record is not None:
            found = _place(record["parts"], "categories" if table.over == "categories" else table.part) or {}
            classes = record["params"].get("classes", list(found)) if table.over == "classes" else list(found)
            for key in (key for key in classes if key in found):
                of_class = _number(record, f"{table.part}.{key}") if table.over == "classes" else None
                cells[key] = _of_category(summary, ways[0], table.column, key) if table.over == "categories" else of_class
                errors[key] = _error(protocol, summary, ways[0], table.column, key) if table.over == "categories" else None
            cells[MEAN] = _number(record, table.column.part)
            errors[MEAN] = _error(protocol, summary, ways[0], table.column, None)
    shown = ways if table.over == "variants" else ways[:1]
    lines = [line for line in summary.lines if line["variant"] in shown]
    counts: dict[str, tuple[int, int]] = {}
    for key in cells if table.over in ("categories", "variants") else ():
        mine = [line for line in lines if key == (line["category"] if table.over == "categories" else line["variant"])]
        if key != MEAN:
            counts[key] = (sum(bool(line["records"]) for line in mine), sum(not line["records"] for line in mine))
    scored, missing = (sum(numbers[way] for way in shown) for numbers in (summary.scored, summary.missing))
    return Row(name, False, cells, errors, scored, missing, counts)


def _with_record(summary: Summary, way: str, column: Column) -> list[Line]:
    """The samples of a variant that have a record of a column's measure."""
    return [line for line in summary.lines if line["variant"] == way and column.measure in line["records"]]


def _of_category(summary: Summary, way: str, column: Column, category: str) -> float | None:
    """A number of the samples of one category."""
    of_category = [line for line in _with_record(summary, way, column) if line["category"] == category]
    return _number(summarise([line["records"][column.measure] for line in of_category]), column.part)


def _place(parts: Json, path: str) -> Mapping[str, Json] | None:
    """What lies at a dotted place of a record's parts; None where nothing does."""
    for key in path.split("."):
        parts = parts.get(key) if isinstance(parts, Mapping) else None
    return parts if isinstance(parts, Mapping) else None


def _number(record: Record, part: str) -> float | None:
    if not part:
        return record["value"]
    above, _, last = part.rpartition(".")
    found = (_place(record["parts"], above) if above else record["parts"]) or {}
    if last not in found:
        raise unknown_name("part of a summary", part, [f"{above}.{key}".lstrip(".") for key in found] or list(record["parts"]))
    value = found[last]
    return float(value) if isinstance(value, (int, float)) else None


def _error(protocol: Protocol, summary: Summary, way: str, column: Column, category: str | None) -> float | None:
    """The standard error of a mean over samples; None for other numbers, and where fewer than two samples have one."""
    if column.part or (category is None and protocol.summary_rule(column.measure) != SAMPLES):
        return None
    lines = [
        line
        for line in summary.lines
        if line["variant"] == way and column.measure in line["records"] and category in (None, line["category"])
    ]
    values = [v for line in lines if (v := line["records"][column.measure]["value"]) is not None]
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


# -- as text ----------------------------------------------------------------------------------------------------------------------------


def shown(value: float | None, decimals: int) -> str:
    """A number as a table prints it.

    >>> shown(0.65811, 3), shown(None, 3)
    ('0.658', '-')
    """
    return "-" if value is None else f"{value:.{decimals}f}"


def text_rows(filled: FilledTable) -> list[dict[str, str]]:
    """The rows as texts by their columns: method, those of the table, samples and missing."""
    decimals = filled.table.decimals
    return [
        {"method": row.name + (" (published)" if row.published else "")}
        | {column: shown(row.cells.get(column), decimals) for column in filled.columns}
        | {"samples": "" if row.scored is None else str(row.scored), "missing": "" if row.missing is None else str(row.missing)}
        for row in filled.rows
    ]


def markdown(protocol: Protocol, tables: Sequence[FilledTable]) -> str:
    """All tables in Markdown."""
    out = [f"# {protocol.title}", "", protocol.source, ""]
    for filled in tables:
        rows = text_rows(filled)
        heads = list(rows[0]) if rows else ["method", *filled.columns]
        out += [f"## {filled.table.title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        out += [f"| {' | '.join(value.replace('|', chr(92) + '|') for value in row.values())} |" for row in rows]
        out += ["", filled.table.note, ""] if filled.table.note else [""]
    return "\n".join(out + ([protocol.note, ""] if protocol.note else []))


def latex(tables: Sequence[FilledTable]) -> str:
    """All tables in LaTeX, with the rules of booktabs."""
    out = []
    for filled in tables:
        heads = ["method", *filled.columns]
        out += [f"% {filled.table.title}", f"\\begin{{tabular}}{{l{'r' * len(filled.columns)}}}", "\\toprule"]
        out += [" & ".join(map(_escaped, heads)) + " \\\\", "\\midrule"]
        for k, row in enumerate(filled.rows):
            if k and filled.rows[k - 1].published and not row.published:
                out.append("\\midrule")
            cells = [shown(row.cells.get(column), filled.table.decimals) for column in filled.columns]
            out.append(" & ".join([_escaped(row.name), *cells]) + " \\\\")
        out += ["\\bottomrule", "\\end{tabular}", ""]
    return "\n".join(out)


def _escaped(text: str) -> str:
    words = {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}"}
    return "".join("\\" + c if c in "&%$#_{}" else words.get(c, c) for c in text)


def csv_text(tables: Sequence[FilledTable]) -> str:
    """All numbers, a line each: table, method, published, column, value, standard_error, samples, missing; with all digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "method", "published", "column", "value", "standard_error", "samples", "missing"])
    for filled in tables:
        for row in filled.rows:
            for column in filled.columns:
                numbers = (row.cells.get(column), row.errors.get(column), *row.count(column))
                writer.writerow([filled.table.title, row.name, "yes" if row.published else "no", column,
                                 *("" if number is None else number for number in numbers)])  # fmt: skip
    return buffer.getvalue()
