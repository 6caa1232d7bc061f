"""Where each object of a data set belongs: its category, its folder, its split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voxcli.datasets.synthetic.folders import SPLIT
from voxcli.datasets.synthetic.objects.families import FAMILIES


class Place(Protocol):
    """Where one object of a data set belongs: its category, the folder of that, its own folder, and train, val or test."""

    @property
    def category(self) -> str: ...
    @property
    def synset(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...


@dataclass(frozen=True)
class DrawnPlace:
    """The place of an object that a seed draws. number: among those of its category."""

    category: str
    number: int
    seed: int

    @property
    def synset(self) -> str:
        """The category's folder."""
        return FAMILIES[self.category].synset

    @property
    def name(self) -> str:
        """The object's folder."""
        return f"s{self.seed}-{self.number:06d}"

    @property
    def split(self) -> str:
        """train, val or test."""
        return SPLIT[self.number % len(SPLIT)]
