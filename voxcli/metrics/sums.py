"""What the summary of a set of records needs of them, in memory that does not grow with the set. The sums of parts of a set are joined.

Sums are exact, by the error-free additions of Shewchuk (1997, Adaptive precision floating-point arithmetic): the same to the last bit in
whatever order and parts the numbers come, as `math.fsum` has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from voxcli.errors import FileFormatError, UsageError
from voxcli.metrics.records import COUNTS, Record, Tree, make_record, mean
from voxcli.provenance import Json, Recordable

Number = int | float


class Total:
    """An exact sum of numbers, and how many they are.

    >>> total = Total()
    >>> for number in (1e16, 1.0, -1e16):
    ...     total.add(number)
    >>> total.value, total.mean
    (1.0, 0.3333333333333333)
    """

    def __init__(self, floats: Iterable[float] = (), whole: int = 0, count: int = 0):
        self._floats, self._whole, self.count = list(floats), whole, count

    def add(self, number: Number) -> None:
        """Add a number."""
        self.count += 1
        if isinstance(number, int):
            self._whole += number
        else:
            self._grow(number)

    def _grow(self, number: float) -> None:
        kept = 0
        for part in self._floats:
            if abs(number) < abs(part):
                number, part = part, number
            both = number + part
            if rest := part - (both - number):
                self._floats[kept] = rest
                kept += 1
            number = both
        self._floats[kept:] = [number]

    def join(self, other: Total) -> None:
        """Add the numbers of another sum."""
        self.count += other.count
        self._whole += other._whole
        for part in other._floats:
            self._grow(part)

    @property
    def value(self) -> Number:
        """The sum: an integer where all numbers are."""
        return math.fsum([*self._floats, self._whole]) if self._floats else self._whole

    @property
    def mean(self) -> float | None:
        """None where there is no number."""
        return float(self.value) / self.count if self.count else None

    def state(self) -> list[list[float] | int]:
        """As JSON."""
        return [self._floats, self._whole, self.count]

    @classmethod
    def of(cls, state: Sequence[Json]) -> Total:
        """From JSON. Raises FileFormatError for what `state` never is."""
        floats, whole, count = state if len(state) == 3 else ((), (), ())
        if not (isinstance(whole, int) and isinstance(count, int) and isinstance(floats, list)):
            raise FileFormatError("A sum is [numbers, integer, count].", actual=str(state)[:60])
        total = cls(whole=whole, count=count)
        for part in floats:
            if not isinstance(part, (int, float)) or not math.isfinite(part):
                raise FileFormatError("A sum holds numbers.", actual=str(part)[:60])
            total._grow(float(part))
        return total


class TotalTree:
    """Sums by name in any depth: of the numbers of many trees, or of their counts, which may be lists of numbers.

    A name has a sum where all its values are numbers or None, is a tree where any value is one, and is left out else.
    """

    def __init__(self) -> None:
        self.names: dict[str, TotalTree] = {}
        self.totals: list[Total] = [Total()]
        self.is_list = self.is_tree = self.is_other = False

    def add(self, tree: Mapping[str, Recordable] | Mapping[int, Recordable], lists: bool = False) -> None:
        """Add the numbers of a tree. lists: lists are columns of numbers; else they are none."""
        self.is_tree = True
        for name, value in tree.items():
            child = self.names.setdefault(str(name), TotalTree())
            if isinstance(value, Mapping):
                child.add(value, lists)
            elif lists and isinstance(value, (list, tuple)):
                child._add_list(value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                child.totals[0].add(value)
            elif value is not None:
                child.is_other = True

    def _add_list(self, values: Sequence[Number]) -> None:
        if not self.is_list:
            self.is_list, self.totals = True, [Total() for _ in values]
        for total, value in zip(self.totals, values, strict=True):
            total.add(value)

    def join(self, other: TotalTree) -> None:
        """Add the numbers of another one."""
        self.is_tree, self.is_other = self.is_tree or other.is_tree, self.is_other or other.is_other
        if other.is_list and not self.is_list:
            self.is_list, self.totals = True, [Total() for _ in other.totals]
        for mine, theirs in zip(self.totals, other.totals, strict=False):
            mine.join(theirs)
        for name, child in other.names.items():
            self.names.setdefault(name, TotalTree()).join(child)

    def means(self) -> Tree:
        """The mean of every number over the trees that have it."""
        return {
            name: child.means() if child.is_tree else child.totals[0].mean
            for name, child in self.names.items() if child.is_tree or not child.is_other
        }  # fmt: skip

    def sums(self) -> Tree:
        """The sum of every number and of every column."""
        found: Tree = {}
        for name, child in self.names.items():
            values = [total.value for total in child.totals]
            found[name] = child.sums() if child.is_tree else values if child.is_list else values[0]
        return found

    def state(self) -> Tree:
        """As JSON."""
        found: Tree = {"totals": [total.state() for total in self.totals if total.count or self.is_list]}
        found |= {key: True for key in ("is_list", "is_tree", "is_other") if getattr(self, key)}
        return found | ({"names": {name: child.state() for name, child in self.names.items()}} if self.names else {})

    @classmethod
    def of(cls, state: Tree) -> TotalTree:
        """From JSON."""
        tree = cls()
        tree.is_list, tree.is_tree, tree.is_other = (bool(state.get(key)) for key in ("is_list", "is_tree", "is_other"))
        totals = [Total.of(each) for each in state["totals"]]
        tree.totals = totals if tree.is_list else totals or [Total()]
        tree.names = {name: cls.of(child) for name, child in state.get("names", {}).items()}
        return tree


class Sums:
    """The sums of the records of one metric. rule: what the summary's value is made by (see metrics/summaries.py).

    >>> sums = Sums()
    >>> sums.add(make_record("iou", 0.5)), sums.add(make_record("iou", 1.0))
    (None, None)
    >>> sums.summary()["value"]
    0.75
    """

    def __init__(self, rule: str = "") -> None:
        self.rule, self.metric, self.samples = rule, "", 0
        self.categories: dict[str, int] | None = None
        self.classes: dict[str, None] = {}
        self._values = TotalTree()  # by what the value is taken at ("" the record's own), then by category ("" all, "=NAME" one)
        self._parts, self._counts = TotalTree(), TotalTree()
        self._params: Tree = {}
        self._varying: dict[str, bool] = {}

    def add(self, record: Record, category: str | None = None, values: Mapping[str, float | None] | None = None) -> None:
        """Add a record. category: None for all or for none. values: the values that it has by other choices, such as thresholds."""
        if self.samples and record["metric"] != self.metric:
            raise UsageError("A summary is of one metric.", actual=", ".join(sorted({self.metric, record["metric"]})))
        self._add_params(record["params"])
        self.metric, self.samples = record["metric"], self.samples + 1
        if category is not None:
            self.categories = self.categories or {}
            self.categories[category] = self.categories.get(category, 0) + 1
        of = [""] if category is None else ["", f"={category}"]
        self._values.add({at: dict.fromkeys(of, value) for at, value in {"": record["value"], **(values or {})}.items()})
        self._parts.add({name: part for name, part in record["parts"].items() if name != COUNTS})
        if COUNTS in record["parts"]:
            self._counts.add(record["parts"][COUNTS], lists=True)
        if isinstance(names := record["params"].get("classes"), list):
            self.classes |= dict.fromkeys(map(str, names))

    def _add_params(self, params: Tree) -> None:
        if not self.samples:
            self._params, self._varying = dict(params), dict.fromkeys(params, False)
        for name in {**self._varying, **params}:
            same = name in params and name in self._params and params[name] == self._params[name]
            self._varying[name] = self._varying.get(name, False) or not same

    def join(self, other: Sums) -> None:
        """Add the records of another part of the set. Raises UsageError for those of another metric or rule."""
        if not self.samples:
            self.__dict__.update(Sums.of(other.state()).__dict__)
            return
        if (self.metric, self.rule) != (other.metric, other.rule) or (self.categories is None) != (other.categories is None):
            raise UsageError("Sums of different kinds are not joined.", expected=self._kind(), actual=other._kind())
        for name in {**self._varying, **other._varying}:
            same = name in self._params and name in other._params and self._params[name] == other._params[name]
            self._varying[name] = self._varying.get(name, False) or other._varying.get(name, False) or not same
        self.samples += other.samples
        for name, count in (other.categories or {}).items():
            self.categories = self.categories or {}
            self.categories[name] = self.categories.get(name, 0) + count
        self.classes |= other.classes
        for mine, theirs in ((self._values, other._values), (self._parts, other._parts), (self._counts, other._counts)):
            mine.join(theirs)

    def _kind(self) -> str:
        return f"{self.metric}, {self.rule or 'mean over samples'}, {'no ' if self.categories is None else ''}categories"

    @property
    def choices(self) -> list[str]:
        """What other values of a record were added by."""
        return [at for at in self._values.names if at]

    def value_at(self, at: str = "", category: str | None = None) -> Total:
        """The sum of the values of all records, or of those of one category, by one choice."""
        of_all = self._values.names.get(at, TotalTree()).names
        return of_all.get("" if category is None else f"={category}", TotalTree()).totals[0]

    def summary(self, at: str = "") -> Record:
        """What `records.summarise` says of a set. at: by which choice values are taken."""
        if not self.samples:
            raise UsageError("There is nothing to summarise.", expected="at least one record")
        values = self.value_at(at)
        parts: Tree = {
            "samples": self.samples, "undefined": self.samples - values.count, "mean_over_samples": values.mean,
            "mean_over_categories": None,
        }  # fmt: skip
        if self.categories:
            parts["categories"] = {
                name: {"samples": self.categories[name], "value": self.value_at(at, name).mean} for name in sorted(self.categories)
            }
            parts["mean_over_categories"] = mean(each["value"] for each in parts["categories"].values())
        parts["mean_parts"] = self._parts.means()
        if counts := self._counts.sums():
            parts[COUNTS] = counts
            pairs = {name: each for name, each in counts.items() if isinstance(each, list) and len(each) == 2}
            if pairs:
                parts["pooled"] = {name: each[0] / each[1] if each[1] else None for name, each in pairs.items()}
        if varying := [name for name, varies in self._varying.items() if varies]:
            parts["varying_params"] = varying
        params = {name: self._params[name] for name, varies in self._varying.items() if not varies} | ({"value_at": at} if at else {})
        return make_record(self.metric, parts["mean_over_samples"], pred="*", gt="*", parts=parts, params=params)

    def state(self) -> Tree:
        """As JSON."""
        return {
            "metric": self.metric, "rule": self.rule, "samples": self.samples, "categories": self.categories,
            "classes": list(self.classes), "values": self._values.state(), "parts": self._parts.state(), "counts": self._counts.state(),
            "params": self._params, "varying": self._varying,
        }  # fmt: skip

    @classmethod
    def of(cls, state: Tree) -> Sums:
        """From JSON. Raises FileFormatError for what `state` never is."""
        try:
            sums = cls(str(state["rule"]))
            sums.metric, sums.samples = str(state["metric"]), int(state["samples"])
            sums.categories = None if state["categories"] is None else {str(k): int(v) for k, v in state["categories"].items()}
            sums.classes = dict.fromkeys(map(str, state["classes"]))
            sums._values, sums._parts, sums._counts = (TotalTree.of(state[name]) for name in ("values", "parts", "counts"))
            sums._params, sums._varying = dict(state["params"]), {str(k): bool(v) for k, v in state["varying"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FileFormatError("These are no sums of metrics.", expected="what `voxcli metrics ... --partial` wrote") from error
        return sums
