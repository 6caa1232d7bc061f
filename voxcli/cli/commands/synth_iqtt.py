"""`voxcli synth iqtt`: questions of the 3D-IQ test task, in the layout of the published files."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from voxcli.atomic import check_writable, refuse_existing
from voxcli.cli.framework import options, written
from voxcli.cli.framework.batch import may_replace
from voxcli.cli.framework.output import counted, out
from voxcli.cli.framework.plans import print_plan
from voxcli.errors import UsageError


def iqtt(
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE.h5", help="HDF5 file of the questions.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Questions.")] = 1000,
    labeled: Annotated[
        int | None,
        typer.Option("--labeled", min=0, help="How many keep their answer, as in training data; default: all, as in validation data."),
    ] = None,
    seed: options.Seed = 0,
    size: Annotated[int, typer.Option("--size", min=8, max=1024, help="Pixels of a side.")] = 128,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make questions: a polycube of Shepard and Metzler, and three choices, one of which shows it turned.

    The other two are no rotation of it (compared by all 24), its mirror image in half of the questions. labeled/ and unlabeled/ as in
    the published training file where --labeled is given; else questions and answers, as in the validation file. What each choice is
    stands in truth/. Question k depends on the seed and k alone, whatever the number of workers. --skip-existing leaves a whole file of
    the same options as it is.

    Examples:
        voxcli synth iqtt -o val.h5 --count 20 --seed 1 --size 64
        voxcli synth iqtt -o train.h5 --count 30 --labeled 10 --size 64
    """
    from voxcli.datasets.synthetic.iqtt import IQTTConfig, check_same_questions, write_questions

    if not output.lower().endswith((".h5", ".hdf5")):
        raise UsageError(f"{output} is no HDF5 file.", expected="-o FILE.h5")
    config = IQTTConfig(labeled, size)
    replace = may_replace(output, overwrite, skip_existing, partial(check_same_questions, output, count, seed, config))
    if replace is None:
        return None
    check_writable([output])
    if dry_run:
        if not replace:
            refuse_existing(output)
        return print_plan([], [output], questions=count)
    with out.progress(count, "questions") as bar:
        write_questions(output, count, seed, config, workers, replace, bar.advance)
    written.add(output, counted(count, "question"))
    return None
