"""Which files the positional arguments name, under which names, in which order; and how two sets of files are paired."""

import pytest
from processes import least_share
from refusals import refused

from voxcli.cli.framework import inputs
from voxcli.errors import DataError, UsageError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("d/b.txt", "d/a.TXT", "d/sub/c.txt", "d/sub-x/c.txt", "d/other.md", "d/.hidden.txt", "d/.git/e.txt", "one.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources, **options):
    found, several = inputs.expand(sources, (".txt",), **options)
    return [(each.path, each.name) for each in found], several


def test_a_folder_is_searched_in_depth_sorted_and_without_hidden_files(tree):
    expected = [("d/a.TXT", "a"), ("d/b.txt", "b"), ("d/sub/c.txt", "sub/c"), ("d/sub-x/c.txt", "sub-x/c")]
    assert names("d") == names("d/") == (expected, True)


def test_the_time_to_list_a_folder_grows_with_its_files_and_no_faster(monkeypatch):
    def listed(count):
        monkeypatch.setattr(inputs.os, "walk", lambda folder, onerror: [(folder, [], [f"{i}.txt" for i in range(count)])])
        assert len(names(".")[0]) == count

    share = least_share(lambda: listed(16000), lambda: listed(2000), tries=2)
    assert share < 24  # 8 where time grows with the files, 64 where each is compared with all


def test_a_quoted_glob_is_relative_to_its_fixed_part(tree):
    assert names("d/sub*/*.txt") == ([("d/sub/c.txt", "sub/c"), ("d/sub-x/c.txt", "sub-x/c")], True)
    assert [name for _, name in names("d/**/*.txt")[0]] == ["b", "sub/c", "sub-x/c"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree):
    (tree / "x[1].txt").write_text("")
    assert names("x[1].txt") == ([("x[1].txt", "x[1]")], False)


def test_a_list_keeps_its_order_and_its_relative_paths(tree):
    (tree / "list.txt").write_text("# a comment\nd/sub/c.txt\n\n  one.txt  \n" + str(tree / "d/b.txt") + "\n")
    assert names("@list.txt") == ([("d/sub/c.txt", "d/sub/c"), ("one.txt", "one"), (str(tree / "d/b.txt"), "b")], True)


def test_a_single_file_is_one_and_keeps_its_stem_whatever_its_suffix(tree):
    assert names("d/other.md") == ([("d/other.md", "other")], False)
    assert names("-") == ([("-", "stdin")], False)


def test_the_output_folder_inside_an_input_folder_is_left_out(tree):
    assert [name for _, name in names("d", leave_out="d/sub")[0]] == ["a", "b", "sub-x/c"]
    assert len(names("d", leave_out="d")[0]) == 4


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent.txt", "No such file or folder: absent.txt."),
        ("empty", "No inputs in empty."),
        ("*.png", "No inputs in *.png."),
        ("@void.lst", "No inputs in @void.lst."),
        ("@bad.lst", "No such file: nowhere.txt (from bad.lst)."),
    ],
)
def test_nothing_to_do_is_an_error(tree, source, said):
    (tree / "void.lst").write_text("# nothing\n")
    (tree / "bad.lst").write_text("nowhere.txt\n")
    with pytest.raises(UsageError) as caught:
        names(source)
    assert said in str(caught.value)


def test_stdin_can_be_given_once(tree):
    with refused(UsageError, "once"):
        names("-", "-")


# -- pairs ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_sides(tmp_path, monkeypatch):
    for name in ("p/car/1.txt", "p/car/2.txt", "p/bus/1.txt", "g/car/1.txt", "g/bus/1.txt", "g/bus/9.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pair(*args, **options):
    return inputs.pairs(*args, suffixes=(".txt", ".npz"), **options)


def test_folders_are_paired_by_relative_stem_and_the_rest_is_listed(two_sides, capsys):
    found = pair("p", "g")
    assert [(each.name, each.pred, each.gt) for each in found.pairs] == [
        ("bus/1", "p/bus/1.txt", "g/bus/1.txt"),
        ("car/1", "p/car/1.txt", "g/car/1.txt"),
    ]
    assert (found.only_pred, found.only_gt) == (["car/2"], ["bus/9"])
    errors = capsys.readouterr().err
    assert "1 in p without a partner in g: car/2." in errors and "1 in g without a partner in p: bus/9." in errors


def test_suffixes_may_differ_between_the_sides(two_sides):
    (two_sides / "g/car/2.npz").write_text("")
    assert [each.gt for each in pair("p", "g").pairs if each.name == "car/2"] == ["g/car/2.npz"]


def test_patterns_pair_files_by_the_fields_of_their_names(two_sides):
    for name in ("q/car/1/rendering.txt", "q/bus/7/rendering.txt", "q/car/1/notes.npz", "h/car-1.txt", "h/bus-7.npz"):
        (two_sides / name).parent.mkdir(parents=True, exist_ok=True)
        (two_sides / name).write_text("")
    found = pair("q", "h", patterns=["{category}/{id}/rendering", "{category}-{id}"], category_from="parent")
    assert [(each.name, each.pred, each.gt, each.category) for each in found.pairs] == [
        ("bus/7", "q/bus/7/rendering.txt", "h/bus-7.npz", "bus"), ("car/1", "q/car/1/rendering.txt", "h/car-1.txt", "car"),
    ]  # fmt: skip
    assert [each.name for each in pair("p", "g", patterns=["car/{id}"]).pairs] == ["1"]
    with refused(UsageError, "--pair {id}"):
        pair("p", "g", patterns=["{id}"])
    with refused(UsageError, "'1'"):
        pair("p", "g", patterns=["*/{id}"])
    with refused(UsageError, "--pair", actual="3 patterns"):
        pair("p", "g", patterns=["{id}"] * 3)
    with refused(UsageError, "two files"):
        pair("p/car/1.txt", "g/car/1.txt", patterns=["{id}"])


def test_two_files_are_a_pair_whatever_their_names(two_sides):
    (only,) = pair("p/car/2.txt", "g/bus/9.txt", category_from="parent").pairs
    assert (only.name, only.pred, only.gt, only.category) == ("9", "p/car/2.txt", "g/bus/9.txt", "bus")


def test_a_list_or_glob_of_one_file_is_a_pair_with_a_file(two_sides):
    one = next(path for path in sorted(two_sides.rglob("*")) if path.is_file() and path.name != "list")
    (two_sides / "list").write_text(f"{one}\n")
    (two_sides / "alone.txt").touch()
    for source in ("@list", f"{one.parent}/[{one.name[0]}]{one.name[1:]}"):
        (pair,) = inputs.pairs(source, "alone.txt", suffixes=()).pairs
        assert (pair.pred, pair.gt) == (str(one), "alone.txt")


def test_one_side_may_be_stdin(two_sides):
    (only,) = pair("-", "g/car/1.txt").pairs
    assert (only.pred, only.name) == ("-", "1")


@pytest.mark.parametrize(
    ("rule", "expected"), [("parent", ["bus", "car"]), (r"^(\w)", ["b", "c"]), (r"\w+", ["bus", "car"]), (None, [None] * 2)]
)
def test_categories_come_from_the_parent_or_an_expression(two_sides, rule, expected):
    assert [each.category for each in pair("p", "g", category_from=rule).pairs] == expected


def test_what_cannot_be_paired_is_an_error(two_sides):
    (two_sides / "p/car/1.npz").write_text("")
    with refused(UsageError, "'car/1'"):
        pair("p", "g")
    with refused(UsageError, "folder"):
        pair("g", "g/car/1.txt")
    with refused(UsageError, "g/car"):
        pair("g/car", "g")
    with refused(UsageError, "subfolder"):
        pair("g/car", "g/car", category_from="parent")
    with refused(UsageError, "regular expression"):
        pair("g", "g", category_from="(")
    with refused(DataError, "match"):
        pair("g", "g", category_from="car")
