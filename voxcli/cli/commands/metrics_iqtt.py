"""`voxcli metrics iqtt`: answers to questions of the 3D-IQ test task."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from voxcli.cli.framework import options, scoring
from voxcli.cli.framework.batch import Item

ANSWERS = (".txt", ".npy", ".h5", ".hdf5")


def iqtt(
    answers: Annotated[
        str, typer.Argument(metavar="ANSWERS", show_default=False, help="0, 1 or 2 a line, or .npy; a folder of them, a glob, @list.")
    ],
    questions: Annotated[
        str, typer.Argument(metavar="QUESTIONS.h5", show_default=False, help="The questions with their answers, or a folder.")
    ],
    category_from: scoring.CategoryFrom = None, fail_under: scoring.FailUnder = None, fail_over: scoring.FailOver = None,
    format: options.Records = None, workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Accuracy on the 3D-IQ test task with its standard error, beside the 1/3 of guessing.

    Answers in the order of the questions; of a training file, the labelled ones first. Where the file states what each choice is (ours
    do), also how often a mirror image, a bent copy or another object was taken for the reference.

    Examples:
        voxcli metrics iqtt answers.txt iqtt.h5
        voxcli metrics iqtt answers.txt iqtt.h5 --format json --fail-over standard_error=0.3
    """
    scoring.run(answers, questions, score, metrics=["iqtt"], suffixes=ANSWERS, category_from=category_from, fail_under=fail_under,
                fail_over=fail_over, format=format, workers=workers, keep_going=keep_going)  # fmt: skip


def score(item: Item) -> list[dict[str, Any]]:
    """The record of one file of answers."""
    from voxcli.datasets.iqtt import IQTTFile, read_answers
    from voxcli.datasets.synthetic.iqtt import KINDS
    from voxcli.metrics.iqtt import accuracy_record

    file = IQTTFile(item.target)
    given = read_answers(item.source)
    return [accuracy_record(given, file.answers, kinds=file.kinds, kind_names=KINDS, pred=item.source, gt=item.target)]
