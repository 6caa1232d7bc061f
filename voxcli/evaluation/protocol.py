"""A protocol: everything that a table of a paper depends on, but the data and the method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voxcli import config
from voxcli.config import Value
from voxcli.errors import UsageError, unknown_name
from voxcli.evaluation.pairing import pattern_of
from voxcli.options import imported, make_options

if TYPE_CHECKING:
    from voxcli.metrics.base import MetricOptions
    from voxcli.metrics.registry import AnyMetric

SHIPPED = Path(__file__).resolve().parent / "protocols"

OF_NETWORKS = {"cost": "voxcli.evaluation.timing:COST"}
"""What is measured of a network itself, "module:name" by its name as a metric. It knows no presets."""

MEAN = "mean"
"""The column of the value of a whole set."""


@dataclass(frozen=True)
class Measure:
    """One metric of a protocol. options: as `voxcli.score` takes them. truth: which truth of a sample, where its reader has several.
    files: where the file of a prediction lies that is of this truth alone, in place of the protocol's. summary: how the value of the whole
    set comes about, where it is not as the preset says."""

    metric: str
    preset: str | None = None
    options: dict[str, Value] = field(default_factory=dict)
    truth: str = ""
    files: str = ""
    summary: Literal["", "samples", "categories", "pooled"] = ""


@dataclass(frozen=True)
class Column:
    """A number of a summary. measure: its name in the protocol. part: the place in the summary's parts, as `mean_parts.recall`; "": the
    value."""

    measure: str
    part: str = ""


@dataclass(frozen=True)
class Table:
    """A table: a row for each method, published ones first.

    title: with the number that the paper gives it. over: what the columns are. categories, classes and variants: one for each that the
    data or the published rows have, of the number `column`, and last the mean; columns: those of `columns`. part: where the numbers of the
    classes are, in the summary's parts. published: row -> column -> number. decimals: of the printed numbers. note: one line below it.
    """

    title: str
    over: Literal["categories", "classes", "variants", "columns"]
    column: Column | None = None
    part: str = "pooled"
    columns: dict[str, Column] = field(default_factory=dict)
    published: dict[str, dict[str, float | None]] = field(default_factory=dict)
    decimals: int = 3
    note: str = ""

    def __post_init__(self) -> None:
        if (self.over == "columns") == (self.column is not None) or (self.over == "columns") != bool(self.columns):
            expected = "`columns` with over: columns, else `column`"
            raise UsageError("A table has columns of its own, or those of one number.", expected=expected)

    @property
    def measures(self) -> set[str]:
        """Names of the measures that it needs."""
        return {each.measure for each in (*self.columns.values(), *((self.column,) if self.column else ()))}


@dataclass(frozen=True)
class Variant:
    """One of several ways to evaluate the same samples: what it changes in `read` and `predict`."""

    read: dict[str, Value] = field(default_factory=dict)
    predict: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """title, source: what is reproduced. reader: of the data, see `voxcli.evaluation.readers`; read: its options. model: where none is
    named. predict: options of its predictions; those that another model lacks are left out. rename: class of a prediction or a truth -> its
    name in the tables. categories: name or synset of the data -> name in the tables. variants: columns of some tables. files: where the
    file of a sample lies in a folder of predictions, without extension; {name}, {category}, {id}, {view} and {variant} stand for those of
    the sample, * for anything. note: what a reader of the numbers must know.
    """

    title: str
    source: str
    reader: str
    measures: dict[str, Measure]
    tables: list[Table]
    read: dict[str, Value] = field(default_factory=dict)
    model: str | None = None
    predict: dict[str, Value] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    files: str = "{name}"
    note: str = ""

    def __post_init__(self) -> None:
        for pattern in (self.files, *(each.files for each in self.measures.values())):
            pattern_of(pattern)
        for name in {name for table in self.tables for name in table.measures}:
            if name not in self.measures:
                raise unknown_name("measure of a table", name, self.measures)

    @property
    def all_variants(self) -> dict[str, Variant]:
        """The variants; one without a name where there are none."""
        return self.variants or {"": Variant()}

    def metric_options(self, name: str, more: Mapping[str, Value]) -> tuple[AnyMetric, MetricOptions]:
        """The metric of a measure and its options, with those that belong to one sample. Raises UsageError for what contradicts."""
        from voxcli.metrics.presets import check_names, options_for
        from voxcli.metrics.registry import metric_named

        measure = self.measures[name]
        metric = imported(OF_NETWORKS[measure.metric]) if measure.metric in OF_NETWORKS else metric_named(measure.metric)
        known = vars(metric.options())
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in measure.options.items()}
        check_names([metric], given)
        if measure.metric in OF_NETWORKS:
            return metric, make_options(metric.options, given, metric.name)
        return metric, options_for(metric, given | {key: value for key, value in more.items() if key in known}, measure.preset)

    def summary_rule(self, name: str) -> str:
        """How the value of a whole set comes about, see `voxcli.metrics.summaries`."""
        from voxcli.metrics.presets import CATEGORIES, POOLED, SAMPLES

        metric, options = self.metric_options(name, {})
        own = {"samples": SAMPLES, "categories": CATEGORIES, "pooled": POOLED}.get(self.measures[name].summary)
        return own or metric.summary_rule(options)


def names() -> list[str]:
    """The protocols that come with voxcli.

    >>> "pix2vox-shapenet" in names()
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read_protocol(name: str, changes: Mapping[str, Value] | None = None) -> Protocol:
    """A protocol by its name, or from a YAML file. changes: keys that take the place of the file's, as `config.merge` does; a variant, a
    measure or a name that becomes null is left out.

    Raises UsageError for an unknown name or key, FileFormatError for a file that is no YAML.

    >>> read_protocol("pix2vox-shapenet").measures["iou"].preset
    'pix2vox'
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = SHIPPED / f"{name}.yaml"
        if name not in names():
            raise unknown_name("protocol", name, names())
    elif not path.is_file():
        raise UsageError(f"No such file: {name}.", expected="a protocol's name, or its YAML file")
    mapping = config.merge(config.load(path), changes)
    for key in ("variants", "measures", "rename", "categories"):
        if isinstance(entries := mapping.get(key), dict):
            mapping[key] = {name: value for name, value in entries.items() if value is not None}
    protocol = config.from_mapping(Protocol, mapping, f"protocol {name}")
    for each in protocol.measures:
        protocol.metric_options(each, {})
    return protocol
