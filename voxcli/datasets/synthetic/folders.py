"""Data sets in a folder, made item by item: resumable, in parallel, and the same bytes for any number of workers."""

from __future__ import annotations

import importlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, TypeVar

from voxcli import log
from voxcli.atomic import atomic_write_bytes
from voxcli.errors import UsageError
from voxcli.files.whole import is_whole
from voxcli.processes import scheduler, worker_pool
from voxcli.provenance import Json

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4
"""Pieces for each worker that are handed out at a time."""

SPLIT = ("train", "test", "train", "train", "val", "train", "train", "test", "train", "train")
"""Which split the k-th of many belongs to, k modulo 10: 7 : 1 : 2 as Pix2Vox has it, and one for tests from two on."""


class FolderGenerator(ABC):
    """Makes the items of one data set. Item k depends on the options and k alone. Travels pickled to worker processes.

    item: what one item is called. data_set: what all of them are called. chunk: items that a worker takes at a time.
    modules: what a worker imports before its first item. patterns: the files of a data set of its kind, whatever its options, meta.json
    apart.
    """

    item: ClassVar[str]
    data_set: ClassVar[str]
    patterns: ClassVar[tuple[str, ...]]
    chunk: int = 8
    modules: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def meta(self) -> Mapping[str, Json]:
        """What made the data set, for meta.json."""

    def begin(self, folder: Path) -> None:  # noqa: B027 (need not be there)
        """Write what all items share, before the first one."""

    @abstractmethod
    def files(self, folder: Path, index: int) -> Sequence[Path]:
        """The files of an item."""

    def is_whole(self, folder: Path, index: int) -> bool:
        """Whether the folder holds all of an item. Other programs may have damaged a file."""
        return all(map(is_whole, self.files(folder, index)))

    @abstractmethod
    def write_item(self, folder: Path, index: int) -> None:
        """Make one item and write its files."""

    def finish(self, folder: Path) -> None:  # noqa: B027
        """Write what lists all items, after the last one."""


def write_dataset(
    out_dir: str | Path,
    count: int,
    generator: FolderGenerator,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    shard: int | None = None,
) -> int:
    """Write items 0..count-1 into a folder. Whole ones that are there already are kept. -> how many were made now

    progress: called with (items done, count), first with those that were there. overwrite: a data set of this kind that is there, of
    whatever options, is removed first. shard: how many items go into each tar file; they lie below .parts until it is full. Raises
    UsageError where the folder holds something else, or, without overwrite, a data set that was made with other options.
    """
    folder = Path(out_dir)
    if count < 1 or workers < 1:
        raise UsageError(f"A data set needs at least one {generator.item} and one worker.", actual=f"count {count}, workers {workers}")
    report = progress or (lambda done, count: None)
    with begun(folder, count, generator, overwrite, shard is not None):
        if shard is not None:
            return _write_shards(folder, count, generator, workers, report, shard)
        generator.begin(folder)
        made = _write_missing(folder, range(count), generator, workers, report, (0, count))
        generator.finish(folder)
    return made


def _write_missing(
    folder: Path, indices: Sequence[int], generator: FolderGenerator, workers: int, report: Callable[[int, int], None], of: tuple[int, int]
) -> int:
    """Write the items that the folder lacks. of: how many were done before these, and all. -> how many were made"""
    missing = [index for index in indices if not generator.is_whole(folder, index)]
    before, count = of
    done = before + len(indices) - len(missing)
    report(done, count)
    work = partial(_write_items, generator, folder)
    with closing(run_chunks(work, missing, workers, generator.chunk, generator.modules)) as running:
        for made, _ in running:
            done += len(made)
            report(done, count)
    return len(missing)


def _write_shards(folder: Path, count: int, generator: FolderGenerator, workers: int, report: Callable[[int, int], None], size: int) -> int:
    """Write a data set in tar files, one after the other. Raises UsageError where one is there that has other items."""
    from voxcli.shards import members, shard_name, write_shard

    parts, made = folder / ".parts", 0
    for start in range(0, count, size):
        indices, path = range(start, min(start + size, count)), folder / shard_name(start // size)
        files = [file for index in indices for file in generator.files(parts, index)]
        names = [file.relative_to(parts).as_posix() for file in files]
        if path.exists():
            if list(members(path)) != names:
                raise UsageError(f"{path} holds other items than it would get.", hint="Use another folder, or --overwrite.")
            report(indices.stop, count)
            continue
        generator.begin(parts)
        made += _write_missing(parts, indices, generator, workers, report, (start, count))
        write_shard(path, zip(names, files, strict=True))
        _remove(folder, [f"{parts.name}/**/*"])
    return made


@contextmanager
def begun(folder: Path, count: int, generator: FolderGenerator, overwrite: bool, sharded: bool = False) -> Iterator[None]:
    """Make the folder with its meta.json, or check that it holds the same data set; the block makes the items. overwrite: remove the one
    that is there. Where the block fails before any item is whole, what was begun here is removed: another call may have other options."""
    begins = not check_folder(folder, generator, overwrite, sharded) or overwrite
    files = (*generator.patterns, "*.tar", ".parts/**/*")
    if overwrite:
        _remove(folder, files)
    above = [path for path in (folder, *folder.parents) if not path.exists()]
    folders = {root for root, _, _ in os.walk(folder)}
    folder.mkdir(parents=True, exist_ok=True)
    if begins:
        try:
            atomic_write_bytes(folder / "meta.json", _meta_bytes(generator), overwrite=overwrite)
        except UsageError:
            if not check_folder(folder, generator, overwrite, sharded):  # else another call has begun the same data set meanwhile
                raise
            begins = False
    try:
        yield
    except Exception:
        if begins and not _holds_items(folder, count, generator):
            _remove(folder, ("meta.json", *files))
            made = [Path(root) for root, _, _ in os.walk(folder, topdown=False) if root not in folders]
            for path in (*made, *above):
                with suppress(OSError):  # it holds something, or is gone
                    path.rmdir()
        raise


def _holds_items(folder: Path, count: int, generator: FolderGenerator) -> bool:
    """Whether a folder holds one whole item at least, as files, in a tar file, or for one."""
    return any(folder.glob("*.tar")) or any(generator.is_whole(place, k) for k in range(count) for place in (folder, folder / ".parts"))


def check_folder(folder: Path, generator: FolderGenerator, overwrite: bool, sharded: bool = False) -> bool:
    """Whether the folder holds a data set of the same kind. Raises UsageError where it holds another thing, or, without overwrite, one that
    was made with other options, or one of files where tar files are asked for (sharded) and the other way round."""
    path, meta = folder / "meta.json", generator.meta()
    # Listed first: another call may begin the same data set meanwhile, and meta.json is the first of its files.
    full = folder.is_dir() and any(not each.name.startswith(f".{path.name}.") for each in folder.iterdir())
    there = meta_of(path.read_bytes() if path.is_file() else b"")
    if there.get("schema") != meta["schema"] and full:
        raise UsageError(f"{folder} is not empty, and no data set of {generator.data_set}.", hint="Choose another folder.")
    if not overwrite and there and path.read_bytes() != _meta_bytes(generator):
        raise UsageError(f"{folder} holds a data set that was made with other options.", actual=differences(there, meta),
                         hint="Choose another folder or the same seed and options; --overwrite replaces it.")  # fmt: skip
    if not overwrite and any(next(folder.glob(each), None) for each in (generator.patterns if sharded else ["*.tar"])):
        raise UsageError(f"{folder} holds its {generator.item}s as {'' if sharded else 'tar '}files.",
                         hint=f"{'Leave out' if sharded else 'Give'} --shard; --overwrite replaces what is there.")  # fmt: skip
    return bool(there)


def _meta_bytes(generator: FolderGenerator) -> bytes:
    return json.dumps(generator.meta(), indent=1, sort_keys=True).encode() + b"\n"


def meta_of(text: str | bytes) -> Mapping[str, Json]:
    """What a data set says of itself, from the JSON text or bytes that it holds; nothing of what is no such text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def differences(there: Mapping[str, Json], wanted: Mapping[str, Json]) -> str:
    """Where two `meta` differ: `seed 1, not 2`."""
    (old, new) = ({**meta, **options} if isinstance(options := meta.get("options"), Mapping) else meta for meta in (there, wanted))
    names = sorted({key for key in {*old, *new} - {"options"} if old.get(key) != new.get(key)})
    changed = [f"{key} {old.get(key)}, not {new.get(key)}" for key in names if not isinstance(old.get(key, new.get(key)), (Mapping, list))]
    return "; ".join(changed) or ", ".join(names)


def _remove(folder: Path, patterns: Sequence[str]) -> None:
    """Remove the files of a data set, and the folders that become empty."""
    for path in [path for pattern in patterns for path in sorted(folder.glob(pattern)) if not path.is_dir()]:
        path.unlink()
        for parent in path.parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()


def _write_items(generator: FolderGenerator, folder: Path, indices: Sequence[int]) -> None:
    for index in indices:
        generator.write_item(folder, index)


def run_chunks(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], workers: int, chunk: int, modules: Sequence[str]
) -> Generator[tuple[Sequence[Item], Result], None, None]:
    """Call work (which travels pickled) on single items here, or on pieces of `chunk` in processes; yields (items, result) as they come.

    modules: what every worker imports first, since it is heavy. Where somebody listens, workers count the seconds of their parts.
    """
    here = scheduler() is None and (workers == 1 or len(items) <= chunk)
    step = 1 if here else chunk
    pieces = (items[k : k + step] for k in range(0, len(items), step))
    if here:
        for piece in pieces:
            yield piece, work(piece)
        return
    with worker_pool(workers, partial(_start_worker, modules)) as pool:
        heard = log.is_enabled()
        waiting = {pool.submit(counted, work, heard, piece): piece for piece in islice(pieces, _AHEAD * pool.size)}
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                result, seconds = future.result()
                log.add_seconds(seconds)
                yield waiting.pop(future), result
            waiting |= {pool.submit(counted, work, heard, piece): piece for piece in islice(pieces, _AHEAD * pool.size - len(waiting))}


def counted(work: Callable[[Sequence[Item]], Result], heard: bool, piece: Sequence[Item]) -> tuple[Result, dict[str, float]]:
    """The result of a piece, and the seconds of its parts."""
    log.set_handler((lambda line: None) if heard else None)
    with log.timed("making"):
        result = work(piece)
    return result, log.seconds()


def _start_worker(modules: Sequence[str]) -> None:
    """One thread a worker, and all that is heavy to import."""
    import torch

    for name in modules:
        importlib.import_module(name)
    torch.set_num_threads(1)
