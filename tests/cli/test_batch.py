"""Where results go, what happens to outputs that exist and items that fail, in one process and in several."""

import json
import os

import pytest
from refusals import refused

from voxcli.cli.framework import batch
from voxcli.errors import DataError, UsageError
from voxcli.seeds import item_seed


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("d/a.txt", "d/sub/b.txt", "d/sub/c.txt", "e/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(sources, output, **policy):
    todo = batch.items(sources, output, suffixes=(".txt",), target_suffix=".out", policy=batch.Policy(**policy))
    return [item.target for item in todo.items]


def test_one_file_goes_where_the_output_says(tree):
    assert targets(["d/a.txt"], "x.out") == ["x.out"]
    assert targets(["d/a.txt"], "new/") == ["new/a.out"]
    assert targets(["d/a.txt"], "e") == ["e/a.out"]
    assert targets(["d/a.txt"], "-") == ["-"]


def test_several_inputs_are_mirrored_into_a_folder(tree):
    assert targets(["d"], "o") == ["o/a.out", "o/sub/b.out", "o/sub/c.out"]
    assert targets(["d/sub/b.txt", "d/a.txt"], "o") == ["o/b.out", "o/a.out"]
    assert targets(["d/*.txt"], "o") == ["o/a.out"]


def test_a_glob_or_list_of_one_file_is_one_input_where_the_output_names_a_file(tree):
    (tree / "list").write_text("e/a.txt\n")
    assert targets(["d/*.txt"], "x.out") == ["x.out"] and targets(["@list"], "x.out") == ["x.out"]
    assert targets(["@list"], "-") == ["-"]
    assert targets(["@list"], "o/") == ["o/e/a.out"]


def test_what_no_format_reads_is_refused_before_the_first_item(tree):
    (tree / "page.html").touch()
    for dry_run in (False, True):
        with refused(UsageError, "page.html"):
            targets(["d/a.txt", "page.html"], "o", dry_run=dry_run)
    assert targets(["d/a.txt", "page.html"], "o", keep_going=True) == ["o/a.out", "o/page.out"]


def test_inputs_that_differ_in_their_extensions_alone_keep_them(tree):
    (tree / "d/a.TXT").write_text("")
    (tree / "d/sub/c.txt.txt").write_text("")
    assert targets(["d"], "o") == ["o/a.TXT.out", "o/a.txt.out", "o/sub/b.out", "o/sub/c.out", "o/sub/c.txt.out"]
    with refused(UsageError, "twice"):
        targets(["d/a.txt", "d/a.txt"], "o")


@pytest.mark.parametrize(
    ("sources", "output", "said"),
    [
        (["d"], "o.out", "Several inputs, but -o o.out is one file."),
        (["d"], "e/a.txt", "Several inputs, but -o e/a.txt is one file."),
        (["d"], "-", "3 inputs do not fit into stdout."),
        (["d/a.txt", "e/a.txt"], "o", "Two inputs have the same output o/a.out.\ngot d/a.txt and e/a.txt"),
    ],
)
def test_outputs_that_cannot_be_are_refused(tree, sources, output, said):
    with pytest.raises(UsageError) as caught:
        targets(sources, output)
    assert said in str(caught.value)


def test_an_existing_output_needs_a_decision_before_anything_is_computed(tree):
    (tree / "o/sub").mkdir(parents=True)
    (tree / "o/sub/b.out").write_text("old")
    with refused(UsageError, "o/sub/b.out", hint="--overwrite"):
        targets(["d"], "o")
    assert targets(["d"], "o", skip_existing=True) == ["o/a.out", "o/sub/c.out"]
    assert len(targets(["d"], "o", overwrite=True)) == 3
    with refused(UsageError, "--overwrite", "--skip-existing"):
        targets(["d"], "o", overwrite=True, skip_existing=True)


def test_the_seed_of_an_item_depends_on_its_relative_name_alone(tree, monkeypatch):
    def seeds(folder):
        todo = batch.items([folder], "o", suffixes=(".txt",), target_suffix=".out")
        return {item.name: item.seed(7) for item in todo.items}

    here = seeds("d")
    assert here == {name: item_seed(7, name) for name in ("a", "sub/b", "sub/c")}
    assert seeds(os.path.abspath("d")) == here
    assert len(set(here.values())) == 3 and all(0 <= seed < 2**63 for seed in here.values())


def test_chunks_keep_the_order_and_lose_nothing():
    items = [batch.Item(str(i), "", str(i)) for i in range(7)]
    assert [len(chunk) for chunk in batch.Batch(items).chunks(3)] == [3, 3, 1]
    assert [item for chunk in batch.Batch(items).chunks(3) for item in chunk] == items


def test_an_error_names_its_item_also_where_nothing_is_written():
    todo = batch.Batch([batch.Item("000013", "", "000013")])
    with refused(DataError, "000013"), todo, todo.attempt(todo.items[0]):
        raise DataError("The fruxels lie in different frusta.")


# -- whole commands -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_inputs_whatever_the_workers(fake_process, tree, workers):
    code, text, errors = fake_process("copy", "d", "-o", "o", "--workers", workers)
    assert (code, text, errors) == (0, "a 7\nsub/b 11\nsub/c 11\n", "")
    assert (tree / "o/sub/c.out").read_text() == f"d/sub/c.txt {item_seed(0, 'sub/c')}\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_keep_going_finishes_the_rest_reports_each_and_exits_1(fake_process, tree, workers):
    code, text, errors = fake_process("copy", "d", "-o", "o", "--fail-on", "b.txt", "--keep-going", "--workers", workers)
    assert (code, text) == (1, "a 7\nsub/c 11\n")
    assert errors.startswith("error: d/sub/b.txt: The text cannot be used.") or "d/sub/b.txt" in errors.splitlines()[1]
    assert errors.endswith("Mend it.\nerror: 1 of 3 items failed.\n")
    assert not (tree / "o/sub/b.out").exists()


def test_each_of_many_items_is_looked_at_once(monkeypatch):
    import concurrent.futures

    wait, looked = concurrent.futures.wait, []
    monkeypatch.setattr(concurrent.futures, "wait", lambda futures: looked.append(len(futures)) or wait(futures))
    items = [batch.Item(str(i), "", str(i)) for i in range(200)]
    assert [item for item, _ in batch.Batch(items, keep_going=True).run(str, 2)] == items and sum(looked) == 200


def process_of(item):
    """Which process works on an item; threads is how many it may use."""
    return os.getpid(), os.environ["OMP_NUM_THREADS"]


def test_workers_are_started_where_they_pay(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    here = os.getpid()

    def processes(count, workers=2, **named):
        items = [batch.Item(str(i), "", str(i)) for i in range(count)]
        done = list(batch.Batch(items, **named).run(process_of, workers))
        assert [item for item, _ in done] == items and {threads for _, (_, threads) in done} == {"3"}
        return [process for _, (process, _) in done]

    assert set(processes(40)) == {here}
    assert here not in processes(8) and here not in processes(40, keep_going=True)  # they may be large, or kill their process
    monkeypatch.setattr(batch, "LONGEST_START", 1e-9)
    mixed = processes(40)
    assert mixed[:2] == [here] * 2 and here not in mixed[2:] and "OMP_NUM_THREADS" not in os.environ


def test_an_input_may_come_twice():
    items = [batch.Item("d/a.txt", "", "a")] * 3
    assert [item for item, _ in batch.Batch(items).run(str, 2)] == items


@pytest.mark.parametrize("workers", [1, 2])
def test_keep_going_finishes_whatever_fails_a_bug_too(fake_process, tree, workers):
    failing = ["bug", "memory", "recursion", "odd", "os"] + ["die"] * (workers - 1)
    for i, name in enumerate(failing):
        (tree / f"d/{i}.txt").write_text(name)
    (tree / "d/sub/c.txt").write_text(failing[-1])
    code, text, errors = fake_process("copy", "d", "-o", "o", "--keep-going", "--workers", workers)
    assert (code, text) == (1, "a 7\nsub/b 11\n")
    assert errors.endswith(f"error: {len(failing) + 1} of {len(failing) + 3} items failed.\n") and "Traceback" not in errors
    told = {line.partition(": ")[2].partition(": ")[0]: line for line in errors.splitlines() if line.startswith("error: d/")}
    assert set(told) == {f"d/{i}.txt" for i in range(len(failing))} | {"d/sub/c.txt"}
    bugs = {path for path, line in told.items() if "internal error" in line}
    assert bugs == {"d/0.txt", "d/3.txt"} and all("please report" in told[path] for path in bugs)
    assert "KeyError: 'inner'" in told["d/0.txt"] and "OddError" in told["d/3.txt"]


@pytest.mark.parametrize("workers", [1, 2])
def test_without_keep_going_a_bug_stays_an_internal_error(fake_process, tree, workers):
    (tree / "d/a.txt").write_text("bug")
    code, text, errors = fake_process("copy", "d", "-o", "o", "--workers", workers)
    assert (code, text) == (2, "") and errors.startswith("error: internal error: KeyError: 'inner'") and len(errors.splitlines()) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_without_keep_going_the_first_failure_ends_the_command(fake_process, tree, workers):
    code, text, errors = fake_process("copy", "d", "-o", "o", "--fail-on", "d/", "--workers", workers)
    assert (code, text) == (2, "")
    assert errors == "error: The text cannot be used.\nexpected no d/, got d/a.txt\nMend it. " + (
        "Before it, 0 of 3 were done; --keep-going finishes the others.\n"
    )


def test_skip_existing_skips_the_computation_too(fake, tree):
    (tree / "o/sub").mkdir(parents=True)
    (tree / "o/sub/b.out").write_text("old")
    code, text, errors = fake("copy", "d", "-o", "o", "--fail-on", "b.txt", "--skip-existing")
    assert (code, text) == (0, "a 7\nsub/c 11\n") and "skipped 1 of 3" in errors
    assert (tree / "o/sub/b.out").read_text() == "old"


def test_an_existing_output_stops_the_command_before_it_writes_anything(fake, tree):
    (tree / "o/sub").mkdir(parents=True)
    (tree / "o/sub/c.out").write_text("old")
    code, text, errors = fake("copy", "d", "-o", "o")
    assert (code, text) == (2, "") and "--overwrite" in errors and "--skip-existing" in errors
    assert not (tree / "o/a.out").exists()
    assert fake("copy", "d", "-o", "o", "--overwrite")[0] == 0
    assert (tree / "o/sub/c.out").read_text() != "old"


def test_dry_run_lists_what_would_be_written_and_writes_nothing(fake, tree):
    (tree / "o").mkdir()
    (tree / "o/c.out").write_text("old")
    code, text, _ = fake("copy", "d/sub", "-o", "o", "--dry-run", "--overwrite")
    first, second = map(json.loads, text.splitlines())
    assert code == 0 and first["write"] == [{"path": "o/b.out", "exists": False}]
    assert [(each["path"], each["bytes"]) for each in first["read"]] == [("d/sub/b.txt", (tree / "d/sub/b.txt").stat().st_size)]
    assert second["write"] == [{"path": "o/c.out", "exists": True}] and (tree / "o/c.out").read_text() == "old"
    assert not (tree / "o/b.out").exists()


def test_stdin_and_stdout_are_read_and_written_only_where_a_dash_stands(fake_process, tree):
    assert fake_process("copy", "-", "-o", "x.out", input=b"from a pipe")[:2] == (0, "stdin 11\n")
    assert (tree / "x.out").read_text() == f"from a pipe {item_seed(0, 'stdin')}\n"
    code, text, _ = fake_process("copy", "d/a.txt", "-o", "-", input=b"never read")
    assert code == 0 and text.startswith("d/a.txt ")
