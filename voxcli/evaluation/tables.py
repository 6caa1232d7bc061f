"""Tables: a row for each method, the published ones first, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from voxcli.errors import unknown_name
from voxcli.evaluation.protocol import MEAN, Column, Protocol, Table
from voxcli.evaluation.samples import Line
from voxcli.evaluation.summary import Counts, Key, Summary, count
from voxcli.metrics.records import Record, summarise
from voxcli.metrics.summaries import SAMPLES
from voxcli.provenance import Json


@dataclass(frozen=True)
class Row:
    """A row. published: its numbers are the paper's. errors: standard errors of means over samples. total: of samples, None where nobody
    states them; counts: by column, where each has samples of its own. changed: settings that are not the protocol's. undefined: by column,
    how many of its scored samples have no value there and are left out of the mean; any_undefined: how many are in any column. lacking: by
    measure, how many scored samples have no record of it, since their truth or their prediction is no such thing."""

    name: str
    published: bool
    cells: dict[str, float | None]
    errors: dict[str, float | None]
    total: Counts | None = None
    counts: dict[str, Counts] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    undefined: dict[str, int] = field(default_factory=dict)
    any_undefined: int = 0
    lacking: dict[str, int] = field(default_factory=dict)

    def count(self, column: str) -> Counts | None:
        """The samples behind one column: those of the category or the variant, else all."""
        return self.counts.get(column, self.total if column == MEAN or not self.counts else Counts())

    @property
    def title(self) -> str:
        """The name, and whether it is published or of a part of the samples."""
        part = f" ({self.total} samples)" if self.total is not None and self.total.scored < sum(self.total) else ""
        return self.name + (" (published)" if self.published else part)

    @property
    def notes(self) -> list[str]:
        """What a reader of its numbers must know: which samples they are not of, and which settings are others."""
        said = []
        if self.total is not None and self.total.scored < sum(self.total):
            rest = zip(("without a prediction", "failed", "left out"), self.total[1:], range(1, 4), strict=True)
            each = [f"{number} {what}{self._shares(k)}" for what, number, k in rest if number]
            said.append(f"{self.name}: {self.total} samples; {', '.join(each)}")
        if self.any_undefined:
            by_column = [f"{column} {number}" for column, number in self.undefined.items() if number and column != MEAN]
            where = f" ({', '.join(by_column)})" if by_column else ""
            said.append(f"{self.name}: {self.any_undefined} undefined{where}, as the distance of an empty prediction is; in no mean")
        if self.total is not None:
            of = self.total.scored
            why = "no truth for it, or predictions of another kind"
            said += [f"{self.name}: {number} of {of} have no measure '{key}': {why}" for key, number in self.lacking.items() if number]
        return said + ([f"{self.name}: settings of its own, {', '.join(self.changed)}"] if self.changed else [])

    def _shares(self, which: int) -> str:
        """How many samples of each category or variant are missing or failed."""
        shares = [f"{column} {counts[which]}" for column, counts in self.counts.items() if counts[which]]
        return f" ({', '.join(shares)})" if shares and which < len(Counts._fields) - 1 else ""


@dataclass(frozen=True)
class FilledTable:
    """A table with its numbers."""

    table: Table
    columns: list[str]
    rows: list[Row]

    @property
    def notes(self) -> list[str]:
        """Lines below the table: of its rows, and its own."""
        return [note for row in self.rows for note in row.notes] + ([self.table.note] if self.table.note else [])


def fill(protocol: Protocol, methods: Mapping[str, Summary]) -> list[FilledTable]:
    """Every table of a protocol with the rows of methods, by name."""
    return [_filled(protocol, table, methods) for table in protocol.tables]


def _filled(protocol: Protocol, table: Table, methods: Mapping[str, Summary]) -> FilledTable:
    published = [Row(name, True, dict(cells), {}) for name, cells in table.published.items()]
    ours = [_row(protocol, table, name, summary) for name, summary in methods.items()]
    seen = list(dict.fromkeys(key for row in (*published, *ours) for key in row.cells if key != MEAN))
    mean = any(MEAN in row.cells for row in (*published, *ours))
    return FilledTable(table, seen + ([MEAN] if mean else []), published + ours)


def undefined_samples(protocol: Protocol, summary: Summary) -> int:
    """How many scored samples have no value in some column of the protocol's tables."""
    columns = [column for table in protocol.tables for column in _columns(table)]
    return len(set().union(*(_undefined(summary.lines, column) for column in columns)))


def _columns(table: Table) -> list[Column]:
    return [*table.columns.values(), *((table.column,) if table.column else ())]


def _undefined(lines: Iterable[Line], column: Column) -> set[Key]:
    """The samples that have a record of a column's measure, but no value: the mean is of the others. Pooled numbers are of all."""
    found = set()
    for line in lines:
        record = line["records"].get(column.measure)
        if record is None or (column.part and not column.part.startswith(f"{_MEAN_PARTS}.")):
            continue
        if (record["value"] if not column.part else _of_sample(record, column.part.removeprefix(f"{_MEAN_PARTS}."))) is None:
            found.add((line["variant"], line["name"]))
    return found


_MEAN_PARTS = "mean_parts"
"""Where the means of the parts of records lie in a summary."""


def _of_sample(record: Record, path: str) -> Json:
    """A number among the parts of a sample's record; None where it has none."""
    *above, last = _names(record["parts"], path)
    return ((_place(record["parts"], ".".join(above)) if above else record["parts"]) or {}).get(last)


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
    elif table.over == "categories":
        assert table.column is not None
        of_measure = _with_record(summary, ways[0], table.column)
        unscored = [line for line in summary.lines if line["variant"] == ways[0] and not line["records"]]
        for key in sorted({line["category"] for line in (*of_measure, *unscored)} - {""}):
            cells[key] = _of_category(summary, ways[0], table.column, key)
            errors[key] = _error(protocol, summary, ways[0], table.column, key)
    else:
        assert table.column is not None
        record = summary.records.get((ways[0], table.column.measure))
        found = {} if record is None else _place(record["parts"], table.part) or {}
        for key in () if record is None else record["params"].get("classes", list(found)):
            if record is not None and key in found:
                cells[key], errors[key] = _number(record, f"{table.part}.{key}"), None
    if table.column is not None and table.over != "variants":
        record = summary.records.get((ways[0], table.column.measure))
        if record is not None:
            cells[MEAN] = _number(record, table.column.part)
            errors[MEAN] = _error(protocol, summary, ways[0], table.column, None)
    shown = ways if table.over == "variants" else ways[:1]
    total = Counts(*map(sum, zip(*(summary.counts[way] for way in shown), strict=True)))
    counts = {way: summary.counts[way] for way in ways} if table.over == "variants" else {}
    if table.over == "categories":
        mine, totals = [line for line in summary.lines if line["variant"] == ways[0]], summary.totals.get(ways[0], {})
        for key in sorted({line["category"] for line in mine} | {*totals}):
            counts[key] = count([line for line in mine if line["category"] == key], totals.get(key))
    mine = [line for line in summary.lines if line["variant"] in shown]
    undefined = {label: len(_undefined(mine, column)) for label, column in table.columns.items()}
    without = set().union(*(_undefined(mine, column) for column in _columns(table)))
    if table.over in ("variants", "categories"):
        of = {(line["variant"], line["name"]): line["variant" if table.over == "variants" else "category"] for line in mine}
        undefined = {key: sum(of[each] == key for each in without) for key in cells if key != MEAN}
    if MEAN in cells:
        undefined[MEAN] = len(without)
    scored = [line["records"] for line in mine if line["records"]]
    lacking = {measure: sum(measure not in records for records in scored) for measure in sorted(table.measures)}
    return Row(name, False, cells, errors, total, counts, summary.changed, undefined, len(without), lacking)


def _with_record(summary: Summary, way: str, column: Column) -> list[Line]:
    """The samples of a variant that have a record of a column's measure."""
    return [line for line in summary.lines if line["variant"] == way and column.measure in line["records"]]


def _of_category(summary: Summary, way: str, column: Column, category: str) -> float | None:
    """A number of the samples of one category; None where none of them has one."""
    of_category = [line for line in _with_record(summary, way, column) if line["category"] == category]
    return None if not of_category else _number(summarise([line["records"][column.measure] for line in of_category]), column.part)


def _place(parts: Json, path: str) -> Mapping[str, Json] | None:
    """What lies at a dotted place of a record's parts; None where nothing does."""
    for key in _names(parts, path):
        parts = parts.get(key) if isinstance(parts, Mapping) else None
    return parts if isinstance(parts, Mapping) else None


def _names(parts: Json, path: str) -> list[str]:
    """The names of a dotted place, each the longest that is there: some hold a dot of their own, as in `fscore.<0.05`."""
    if not isinstance(parts, Mapping):
        return path.split(".")
    first = max((key for key in parts if f"{path}.".startswith(f"{key}.")), key=len, default=path.split(".")[0])
    return [first, *(_names(parts.get(first), path[len(first) + 1 :]) if first != path else [])]


def _number(record: Record, part: str) -> float | None:
    if not part:
        return record["value"]
    *names, last = _names(record["parts"], part)
    above = ".".join(names)
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
    """The rows as texts by their columns: method, those of the table, samples, missing, failed and undefined."""
    decimals = filled.table.decimals
    return [
        {"method": row.name + (" (published)" if row.published else "")}
        | {column: shown(row.cells.get(column), decimals) for column in filled.columns}
        | dict(zip(("samples", "missing", "failed", "undefined"), _count_texts(row), strict=True))
        for row in filled.rows
    ]


def _count_texts(row: Row) -> tuple[str, ...]:
    return ("",) * 4 if row.total is None else (str(row.total), str(row.total.missing), str(row.total.failed), str(row.any_undefined))


def markdown(protocol: Protocol, tables: Sequence[FilledTable]) -> str:
    """All tables in Markdown."""
    out = [f"# {protocol.title}", "", protocol.source, ""]
    for filled in tables:
        rows = text_rows(filled)
        heads = list(rows[0]) if rows else ["method", *filled.columns]
        out += [f"## {filled.table.title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        out += [f"| {' | '.join(value.replace('|', chr(92) + '|') for value in row.values())} |" for row in rows]
        out += ["", *(line for note in filled.notes for line in (note, ""))]
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
        notes = [_escaped(note) for row in filled.rows for note in row.notes]
        width = len(filled.columns) + 1
        out += ["\\bottomrule", *(f"\\multicolumn{{{width}}}{{l}}{{\\footnotesize {note}}} \\\\" for note in notes), "\\end{tabular}", ""]
    return "\n".join(out)


def _escaped(text: str) -> str:
    words = {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}"}
    return "".join("\\" + c if c in "&%$#_{}" else words.get(c, c) for c in text)


def csv_text(tables: Sequence[FilledTable]) -> str:
    """All numbers, a line each: table, method, published, column, value, standard_error, samples, missing, failed, left_out, changed,
    undefined; with all digits."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _NUMBER_KEYS, lineterminator="\n")  # None is written as nothing
    writer.writeheader()
    writer.writerows(csv_rows(tables))
    return buffer.getvalue()


def csv_rows(tables: Sequence[FilledTable]) -> list[dict[str, str | float | bool | None]]:
    """The rows of numbers as CSV has them: published is yes or no."""
    return [{**row, "published": "yes" if row["published"] else "no"} for row in number_rows(tables)]


_NUMBER_KEYS = (
    "table", "method", "published", "column", "value", "standard_error", "samples", "missing", "failed", "left_out", "changed", "undefined",
)  # fmt: skip


def number_rows(tables: Sequence[FilledTable]) -> list[dict[str, str | float | bool | None]]:
    """A row for each number, with its standard error and the samples behind it."""
    return [
        dict(zip(_NUMBER_KEYS, (filled.table.title, row.name, row.published, column, row.cells.get(column), row.errors.get(column),
                                *(row.count(column) or (None,) * 4), ", ".join(row.changed),
                                None if row.published else row.undefined.get(column, 0)), strict=True))
        for filled in tables for row in filled.rows for column in filled.columns
    ]  # fmt: skip
