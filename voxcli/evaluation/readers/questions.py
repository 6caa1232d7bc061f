"""Reader of the 3D-IQ test task: each question is a sample, and its truth is an answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.iqtt import IQTTFile
from voxcli.errors import DataError, FileFormatError
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample
from voxcli.metrics.iqtt import Answers

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


@dataclass(frozen=True)
class QuestionsOptions(ReaderOptions):
    """file: of a folder; None: the only one there is. first, count: so many questions from this one on; those with answers count."""

    file: str | None = None
    first: int = 0
    count: int | None = None


class QuestionsReader(Reader[QuestionsOptions]):
    """The questions of one file whose answers are known. A prediction is a file of answers to all of them."""

    tree = "ROOT/3diqtt-v2-val.h5 (questions and answers), or that file itself, or one of `voxcli synth iqtt`"
    task = "answers"
    Options = QuestionsOptions

    def __init__(self, root: Path, options: QuestionsOptions):
        super().__init__(root, options)
        files = [root] if root.is_file() else [root / options.file] if options.file else sorted(root.glob("*.h5"))
        if len(files) != 1:
            raise DataError("The file of questions is not told.", expected="one .h5, or --set protocol.read.file=NAME",
                            actual=", ".join(path.name for path in files) or "none")  # fmt: skip
        self.file = IQTTFile(files[0])
        self.answers = self.file.answers
        last = len(self.answers) if options.count is None else min(len(self.answers), options.first + options.count)
        self.numbers = range(options.first, last)
        self.samples = [Sample(f"{files[0].stem}/{k:06d}", id=str(k)) for k in self.numbers]

    def question(self, index: int) -> np.ndarray:
        """The reference and the three choices."""
        k, labelled = self.numbers[index], len(self.file.labeled)
        return self.file.labeled.pictures(k) if k < labelled else self.file.unlabeled.pictures(k - labelled)

    def truth(self, index: int, which: str) -> Shape | Answers | Path:
        """The right choice, and what each choice is, where the file says it."""
        k = self.numbers[index]
        return Answers(self.answers[k : k + 1], None if self.file.kinds is None else self.file.kinds[k : k + 1])

    def part(self, made: Shape | Answers, index: int) -> Shape | Answers:
        """The answer to this question, of the answers to all."""
        if not isinstance(made, Answers) or len(made.answers) == 1 < len(self.answers):
            return made
        if len(made.answers) != len(self.answers):
            raise FileFormatError("There must be one answer a question.", expected=len(self.answers), actual=len(made.answers))
        k = self.numbers[index]
        return Answers(made.answers[k : k + 1])
