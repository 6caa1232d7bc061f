"""Input files of the positional arguments (paths, folders, globs, lists, stdin), and pairs of predictions and ground truth."""

from __future__ import annotations

import codecs
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from voxcli import remote, shards
from voxcli.cli.framework.output import out
from voxcli.contents import read_stdin
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.remote import is_url, local_name

STDIN = "-"
Suffixes = Sequence[str] | Callable[[], Sequence[str]]
"""Suffixes of files, or what tells them once they are needed: formats by themselves are loaded by extension."""
_WILD, _SUFFIX = re.compile(r"[*?\[]"), re.compile(r"(?<=[^/])\.[^./]+\Z")


@dataclass(frozen=True)
class Input:
    """One input file. `name`: its relative path without suffix, / between folders; unique outputs, seeds and pairs come from it.

    parts: all files of an input that is made of several, `path` the first of them; empty otherwise.
    """

    path: str
    name: str
    parts: tuple[str, ...] = ()


def expand(
    sources: Sequence[str], suffixes: Suffixes, leave_out: str | None = None, keep_going: bool = False, part: str | None = None
) -> tuple[list[Input], bool]:
    """All input files, and whether they are to be treated as several (a folder, glob or list is, even with one file in it).

    Order: as given; within a folder or glob sorted by relative path. Names are relative to the folder, to the part of a glob before its
    first wildcard, or as they stand in a list; a file given directly has its stem. `suffixes` filter folders and globs only; hidden
    files and folders are left out, and so is the folder `leave_out` (the output, if it lies inside an input).

    keep_going: what a list names and is not there is an input that will fail; otherwise it is an error now. part: what is taken of a folder
    that is a data set of `voxcli synth`, such as its images.
    """
    found: list[Input] = []
    several = len(sources) > 1
    from_stdin = 0
    for source in map(local_name, sources):
        if source == STDIN:
            found.append(Input(STDIN, "stdin"))
            from_stdin += 1
        elif is_url(source):
            own, folder = _from_url(source, _listed(suffixes))
            found += own
            several |= folder
        elif source.startswith("@") and not os.path.lexists(source):
            found += _from_list(source[1:], keep_going)
            from_stdin += source == f"@{STDIN}"
            several = True
        elif os.path.isdir(source):
            found += _part_of(source, part, _from_folder(source, _listed(suffixes), leave_out))
            several = True
        elif source.endswith(shards.SUFFIX) and os.path.isfile(source):
            held = _part_of(source, part, _from_shard(source, ".", _listed(suffixes)))
            found += held or [Input(source, PurePosixPath(Path(source).as_posix()).stem)]
            several = True
        elif os.path.lexists(source):
            found.append(Input(source, PurePosixPath(Path(source).as_posix()).stem))
        elif _WILD.search(source):
            found += _from_glob(source, _listed(suffixes))
            several = True
        else:
            raise UsageError(f"No such file or folder: {source}.")
    if from_stdin > 1:
        raise UsageError("- (stdin) can be given only once.")
    return found, several


def _part_of(folder: str, part: str | None, found: list[Input]) -> list[Input]:
    """The inputs of a data set's part, by their names within it; all of another folder."""
    from voxcli.datasets.facts import synthetic_meta

    shard = folder.endswith(shards.SUFFIX) and len(_STREET & {each.name.split("/")[0] for each in found}) > 1
    if part is None or not (shard or synthetic_meta(folder)):
        return found
    own = [replace(each, name="/".join(p for p in each.name.split("/") if p != part)) for each in found if part in each.name.split("/")]
    if own:
        out.detail(f"{folder}: a data set, of which {part}/ is taken.")
    return own or found


def expand_groups(
    sources: Sequence[str], suffixes: Suffixes, leave_out: str | None = None, keep_going: bool = False
) -> tuple[list[Input], bool]:
    """As `expand`, with several files to an input: all files of a folder are one, and so are all files named directly.

    The name of an input is its folder's, relative to the source that holds it; that of files named directly is the first one's stem.
    """
    groups: dict[str, list[str]] = {}
    nested = False
    for source in sources:
        if source == STDIN:
            raise UsageError("- (stdin) holds one file, not several views.", hint="Name files or folders.")
        found, _ = expand([source], suffixes, leave_out, keep_going)
        is_folder = remote.is_folder(source) if is_url(source) else os.path.isdir(source)
        for each in found:
            parent = str(PurePosixPath(each.name).parent) if is_folder else "."
            nested |= parent != "."
            name = parent if parent != "." else os.path.basename(os.path.abspath(source)) if is_folder else ""
            groups.setdefault(name, []).append(each.path)
    inputs = [Input(parts[0], name or PurePosixPath(Path(parts[0]).as_posix()).stem, tuple(parts)) for name, parts in groups.items()]
    return inputs, nested or len(inputs) > 1


def _listed(suffixes: Suffixes) -> Sequence[str]:
    return suffixes() if callable(suffixes) else suffixes


def _has_suffix(path: str, suffixes: Sequence[str]) -> bool:
    """Whether a file is taken: by its extension, or as "NAME beside OTHER" (see voxcli.files.registry.Format)."""
    endings, pairs = _endings(tuple(suffixes))
    if not suffixes or path.lower().endswith(endings):
        return True
    return any(os.path.basename(path) == whole and os.path.exists(os.path.join(os.path.dirname(path), other)) for whole, other in pairs)


@lru_cache(maxsize=8)
def _endings(suffixes: tuple[str, ...]) -> tuple[tuple[str, ...], list[list[str]]]:
    return tuple(s.lower() for s in suffixes if not s[0].isalnum()), [s.split(" beside ") for s in suffixes if s[0].isalnum()]


def _stem(relative: str) -> str:
    """A normal path without its suffix, / between folders; as pathlib has it, in a tenth of the time."""
    return _SUFFIX.sub("", relative.replace(os.sep, "/"))


def _in_order(name: str, path: str = "") -> tuple[str, str]:
    """What inputs and pairs are sorted by: folder by folder, as the parts of their names sort."""
    return name.replace("/", "\0"), path


def _none_found(what: str, suffixes: Sequence[str]) -> UsageError:
    return UsageError(f"No inputs in {what}.", expected=f"files ending in {', '.join(suffixes)}" if suffixes else "files")


def _from_folder(folder: str, suffixes: Sequence[str], leave_out: str | None) -> list[Input]:
    barred = os.path.abspath(leave_out) if leave_out and leave_out != STDIN else None
    if barred == os.path.abspath(folder):
        barred = None  # results beside their inputs: nothing to leave out
    found, left, packed = list[Input](), list[str](), list[str]()
    for here, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [f for f in folders if not f.startswith(".") and os.path.abspath(os.path.join(here, f)) != barred]
        shown = [f for f in files if not f.startswith(".")]
        packed += [os.path.join(here, f) for f in shown if f.endswith(shards.SUFFIX)]
        paths = [path for path in (os.path.join(here, f) for f in shown) if _has_suffix(path, suffixes)]
        place = os.path.relpath(os.path.join(here, "x"), folder)[:-1]  # "" or with / at its end
        found += [Input(path, _stem(place + os.path.basename(path))) for path in _without_pipes(paths)]
        left += [os.path.splitext(f)[1].lower() or "no extension" for f in {*shown}.difference(map(os.path.basename, paths))]
    members = [each for path in sorted(packed) for each in _from_shard(path, os.path.relpath(os.path.dirname(path), folder), suffixes)]
    if not found and not members:
        raise _none_found(folder, suffixes)
    if left:
        kinds = ", ".join(f"{left.count(kind)} {kind}" for kind in sorted(set(left)))
        out.detail(f"{folder}: {len(found)} taken, {len(left)} of other kinds left out ({kinds}).")
    return sorted(found + members, key=lambda each: _in_order(each.name, each.path))


def _from_shard(path: str, folder: str, suffixes: Sequence[str]) -> list[Input]:
    """The members of a shard. Their names do not tell in which shard they lie."""
    names = [name for name in shards.members(path) if _has_suffix(name, suffixes)]
    return [Input(shards.member_url(Path(path).as_posix(), name), _stem(os.path.normpath(os.path.join(folder, name)))) for name in names]


def _from_url(url: str, suffixes: Sequence[str]) -> tuple[list[Input], bool]:
    """The files of a URL, and whether it is a folder or a pattern. Files that others beside them tell of are left out."""
    if wild := re.search(r"[*\[]", url):
        base = url[: wild.start()].rpartition("/")[0]
        paths = remote.found_by(base, url[len(base) + 1 :])
    elif url.endswith("/") or remote.is_folder(url):
        base, paths = url.rstrip("/"), remote.found_in(url)
    elif remote.exists(url):
        return [Input(url, PurePosixPath(url).stem)], False
    else:
        raise UsageError(f"No such file or folder: {url}.")
    names = [(path, os.path.relpath(path, base)) for path in paths]
    taken = [(path, name) for path, name in names if _has_suffix(path, suffixes) and not any(p[0] == "." for p in name.split("/"))]
    if not taken:
        raise _none_found(url, suffixes)
    return sorted((Input(path, _stem(name)) for path, name in taken), key=lambda each: _in_order(each.name, each.path)), True


def _raise(error: OSError) -> None:
    raise error


def _from_glob(pattern: str, suffixes: Sequence[str]) -> list[Input]:
    from voxcli.files.registry import read_when_named

    parts = Path(pattern).parts
    first_wild = next(i for i, part in enumerate(parts) if _WILD.search(part))
    base = str(Path(*parts[:first_wild])) if first_wild else "."
    own = os.path.splitext(parts[-1])[1].lower()
    if suffixes and read_when_named(own):
        suffixes = [*suffixes, own]
    paths = _without_pipes([path for path in _globbed(pattern) if not os.path.isdir(path) and _has_suffix(path, suffixes)])
    if not paths:
        raise _none_found(pattern, suffixes)
    return sorted((Input(path, _stem(os.path.relpath(path, base))) for path in paths), key=lambda each: _in_order(each.name, each.path))


def _without_pipes(paths: Sequence[str]) -> list[str]:
    """Files that were found and not named: to open a named pipe would wait for a writer."""
    ready = [path for path in paths if os.path.isfile(path) or not os.path.exists(path)]
    for path in sorted({*paths} - {*ready}):
        out.warn(f"{path} is no file, but a pipe, socket or device: left out. Named by itself, it is read.")
    return ready


def _globbed(pattern: str) -> list[str]:
    """As glob.glob with ** for folders in depth, but into no folder that holds itself through a link."""
    parts = Path(pattern).parts
    if "**" not in parts:
        return glob.glob(pattern)
    place = parts.index("**")
    roots = glob.glob(os.path.join(*parts[:place], "")) if place else [""]
    rest = os.path.join(*(parts[place + 1 :] or ("*",)))
    folders = [folder for root in roots for folder in _folders(root)]
    return list(dict.fromkeys(path for folder in folders for path in _globbed(os.path.join(glob.escape(folder), rest))))


def _folders(root: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """A folder and all below it, hidden ones left out, each ending in / ("" is the working folder)."""
    real = os.path.realpath(root)
    if real in above:
        return
    yield root
    with suppress(OSError), os.scandir(root or ".") as entries:
        names = sorted(each.name for each in entries if not each.name.startswith(".") and each.is_dir())
        for name in names:
            yield from _folders(os.path.join(root, name, ""), (*above, real))


def _from_list(path: str, keep_going: bool) -> list[Input]:
    """The files that a list names: one a line, or all ended by zero bytes as of `find -print0`. @- is a list from stdin."""
    from voxcli.files.guard import bytes_within

    data = read_stdin() if path == STDIN else bytes_within(path)
    data = data.removeprefix(codecs.BOM_UTF8)
    where = "stdin" if path == STDIN else path
    if b"\0" in data and not data.endswith(b"\0"):
        raise FileFormatError(f"{where}: not a list.", expected="a text file with one path a line")
    if b"\0" in data:
        entries = [os.fsdecode(each) for each in data.split(b"\0") if each]
    else:
        lines = [os.fsdecode(line).strip() for line in data.splitlines()]
        entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise UsageError(f"No inputs in @{path}.", expected="one path a line")
    for entry in entries:
        if not keep_going and not is_url(entry) and (not os.path.exists(entry) or os.path.isdir(entry)):
            raise UsageError(f"No such file: {entry} (from {where}).", hint="Paths in a list are relative to the working folder.")
    return [Input(entry, _list_name(entry)) for entry in entries]


def _list_name(entry: str) -> str:
    relative = os.path.normpath(entry)
    outside = is_url(entry) or os.path.isabs(relative) or relative.startswith("..")
    return _stem(os.path.basename(relative) if outside else relative)


# -- pairs ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A prediction and its ground truth. `name`: relative path without suffix; `category`: see `pairs`."""

    name: str
    pred: str
    gt: str
    category: str | None = None


@dataclass(frozen=True)
class Pairs:
    """All pairs, sorted by name, and the names that only one side has."""

    pairs: list[Pair]
    only_pred: list[str]
    only_gt: list[str]


def pairs(
    pred: str, gt: str, *, suffixes: Suffixes, category_from: str | None = None, keep_going: bool = False, patterns: Sequence[str] = (),
) -> Pairs:  # fmt: skip
    """Pair predictions with ground truth: file with file, or folder (glob, @list) with folder by relative path without suffix.

    category_from: "parent" takes the folder that holds the item, anything else is a regular expression searched in the relative
    name, whose first group (or whole match) is the category. Unmatched names are returned, and warned about. keep_going: as in `expand`.
    patterns: one for both, or that of the predictions and that of the truth: what stands for their fields is the name; see
    `voxcli.evaluation.pairing.pattern_of`.
    """
    if len(patterns) > 2:
        raise UsageError("--pair is one pattern for both, or one for each.", actual=f"{len(patterns)} patterns")
    (found_pred, several_pred), (found_gt, several_gt) = (expand([each], suffixes, None, keep_going) for each in (pred, gt))
    if len(found_pred) == len(found_gt) == 1 and several_pred != several_gt:
        several_pred, several_gt = several_pred and not _is_pattern(pred), several_gt and not _is_pattern(gt)
    if several_pred != several_gt:
        one, many = (gt, pred) if several_pred else (pred, gt)
        alone, others = (found_gt, found_pred) if several_pred else (found_pred, found_gt)
        same = [each for each in others if PurePosixPath(each.name).name == alone[0].name]
        if one == STDIN or len(same) != 1:
            raise UsageError(f"The folder {many} holds {'several files' if same else 'nothing'} of the name of {one}.",
                             hint="Give two files, or two folders.")  # fmt: skip
        sides = (same[0], alone[0]) if several_pred else (alone[0], same[0])
        return Pairs([Pair(alone[0].name, sides[0].path, sides[1].path, _category(same[0].name, category_from))], [], [])
    if not several_pred and patterns:
        raise UsageError("--pair is for folders of files; two files are a pair.")
    if not several_pred:
        if pred == gt == STDIN:
            raise UsageError("- (stdin) can be given only once.")
        name = found_gt[0].name if gt != STDIN else found_pred[0].name
        source = gt if gt != STDIN else pred
        parent = os.path.basename(os.path.dirname(os.path.abspath(source)))
        return Pairs([Pair(name, found_pred[0].path, found_gt[0].path, _category(f"{parent}/{name}", category_from))], [], [])
    if patterns:
        found_pred, found_gt = _renamed(found_pred, pred, patterns[0]), _renamed(found_gt, gt, patterns[-1])
    by_pred, by_gt = _by_name(found_pred, pred), _by_name(found_gt, gt)
    if not set(by_pred) & set(by_gt):
        of_data_set = [replace(each, name=each.name[len(_TRUTH) :]) for each in found_gt if each.name.startswith(_TRUTH)]
        by_gt = _by_name(of_data_set, gt) if of_data_set else by_gt
    matched = [Pair(n, by_pred[n], by_gt[n], _category(n, category_from)) for n in by_pred if n in by_gt]
    only_pred, only_gt = [n for n in by_pred if n not in by_gt], [n for n in by_gt if n not in by_pred]
    if not matched:
        raise UsageError(
            f"No prediction in {pred} has a ground truth in {gt}.",
            expected="the same relative paths, apart from suffixes",
            actual=f"'{only_pred[0]}' and '{only_gt[0]}'",
        )
    for names, here, there in ((only_pred, pred, gt), (only_gt, gt, pred)):
        if names:
            out.warn(f"{len(names)} in {here} without a partner in {there}: {', '.join(names)}.")
    return Pairs(sorted(matched, key=lambda pair: _in_order(pair.name)), only_pred, only_gt)


_STREET, _TRUTH = {"depth", "fruxels", "images", "instances", "poses"}, "fruxels/"
"""The folders of a street data set, plain or within shards, and where its truth lies."""


def _is_pattern(source: str) -> bool:
    """Whether a source is a list or a glob: one file that it tells is one input, which that of a folder is not."""
    return not is_url(source) and not os.path.lexists(source) and (source.startswith("@") or _WILD.search(source) is not None)


def _renamed(found: Sequence[Input], where: str, text: str) -> list[Input]:
    """The inputs whose names fit a pattern, named by what stands for its fields, such as CATEGORY/ID."""
    from voxcli.evaluation.pairing import pattern_of

    pattern = pattern_of(text)
    matches = [(each, pattern.fullmatch(each.name)) for each in found]
    named = [Input(each.path, "/".join(match.groupdict().values())) for each, match in matches if match]
    if not named or not pattern.groups:
        raise UsageError(f"Nothing in {where} is named as --pair {text} says.", expected="fields such as {category}/{id}/*",
                         actual=found[0].name)  # fmt: skip
    if left := len(found) - len(named):
        out.detail(f"{where}: {left} whose names do not fit --pair {text} were left out.")
    return named


def _by_name(found: Sequence[Input], where: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for each in found:
        if each.name in result:
            raise UsageError(f"Two files in {where} have the name '{each.name}'.", actual=f"{result[each.name]} and {each.path}")
        result[each.name] = each.path
    return result


def _category(name: str, rule: str | None) -> str | None:
    if rule is None:
        return None
    if rule == "parent":
        parent = name.rpartition("/")[0].rpartition("/")[2]
        if not parent:
            raise UsageError(f"--category-from parent: '{name}' lies in no subfolder.", hint="Give the folder above the categories.")
        return parent
    try:
        match = re.search(rule, name)
    except re.error as error:
        raise UsageError(f"--category-from: not a regular expression: {error}.", actual=rule) from error
    if match is None:
        raise DataError(f"--category-from: '{name}' does not match.", expected=rule)
    return match.group(1) if match.re.groups else match.group(0)
