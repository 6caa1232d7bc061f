"""What all commands that write files share: the same bytes again, pipes, folders, and outputs that are there already."""

from dataclasses import dataclass

import pytest
from conftest import as_bytes
from example_files import FILES, box_mesh

from voxcli import files


@dataclass(frozen=True)
class Call:
    """A command on one input, with the suffix of what it writes."""

    words: tuple[str, ...]
    source: str
    suffix: str

    def line(self, source, output, *more):
        verb, *flags = self.words
        return (verb, source, "-o", output, *flags, *more)


CALLS = {
    "fruxelize": Call(("fruxelize", "--size", "24", "16", "--depth", "12"), "car.obj", ".npz"),
    "fruxelize-scene": Call(("fruxelize",), "scene.yaml", ".npz"),
    "fruxelize-voxels": Call(("fruxelize", "--grid", "voxel", "--resolution", "12"), "car.glb", ".binvox"),
    "convert-mesh": Call(("convert",), "scene.npz", ".glb"),
    "convert-points": Call(("convert", "--as", "points", "--points", "50"), "car.obj", ".ply"),
    "convert-voxels": Call(("convert", "--resolution", "9"), "scene.npz", ".vox"),
    "view": Call(("view", "--size", "48"), "scene.npz", ".png"),
    "render-surfels": Call(("render-surfels", "--size", "48"), "scene.npz", ".png"),
    "render-surfels-mesh": Call(("render-surfels", "--size", "40"), "car.glb", ".npz"),
    "render-surfels-depth": Call(("render-surfels", "--size", "40", "--as", "depth"), "car.obj", ".png"),
    "view-mesh": Call(("view", "--size", "48"), "car.glb", ".png"),
    "predict": Call(("predict", "--weights", "best.safetensors", "--probabilities"), "street.png", ".npz"),
    "predict-mesh": Call(("predict", "--weights", "best.safetensors"), "street.png", ".glb"),
    "segment": Call(("segment",), "scene.npz", ".npz"),
    "segment-mesh": Call(("segment", "--gap", "0.1"), "scene.npz", ".glb"),
    "segment-image": Call(("segment", "--weights", "best.safetensors"), "street.png", ".png"),
}
WHOLE = {".npz": "scene.npz", ".glb": "car.glb", ".png": "street.png"}
"""Other whole files, which none of the commands writes."""
VERBS = {name: CALLS[name] for name in ("fruxelize", "convert-mesh", "view", "predict", "segment")}


@pytest.fixture
def folder(tmp_path):
    for name in ("car.obj", "car.glb", "scene.yaml", "scene.npz", "street.png", "best.safetensors"):
        if not (tmp_path / name).exists():
            FILES[name](tmp_path / name)
    return tmp_path


def tree_of(call, folder):
    """in/a and in/more/b, copies of the call's input; returns their names."""
    suffix = "." + call.source.split(".")[1]
    for name in ("a", "more/b"):
        path = folder / "in" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((folder / call.source).read_bytes())
    return [f"in/a{suffix}", f"in/more/b{suffix}"]


def to_folder(call):
    """Flags that say what files in an output folder are to be."""
    return ("--to", call.suffix[1:]) if call.words[0] == "convert" else ()


@pytest.mark.parametrize("name", CALLS)
def test_the_same_command_twice_writes_the_same_bytes(voxcli, folder, name):
    call = CALLS[name]
    for output in ("one", "deep/two"):
        assert voxcli(*call.line(call.source, output + call.suffix))[:2] == (0, "")
    assert (folder / f"one{call.suffix}").read_bytes() == (folder / f"deep/two{call.suffix}").read_bytes()


@pytest.mark.parametrize("name", VERBS)
def test_another_process_writes_the_same_bytes(voxcli, voxcli_process, folder, name):
    call = VERBS[name]
    assert voxcli(*call.line(call.source, "here" + call.suffix))[0] == 0
    assert voxcli_process(*call.line(call.source, "there" + call.suffix))[0] == 0
    assert (folder / f"here{call.suffix}").read_bytes() == (folder / f"there{call.suffix}").read_bytes()


@pytest.mark.parametrize("name", [name for name in CALLS if name != "fruxelize-scene"])
def test_a_dash_is_stdin_and_stdout(voxcli, folder, name):
    call = CALLS[name]
    formats = ("--input-format", call.source.split(".")[1], *(() if call.words[0] == "view" else ("--format", call.suffix[1:])))
    code, text, errors = voxcli(*call.line("-", "-", *formats), input=(folder / call.source).read_bytes())
    said = [line for line in errors.splitlines() if not line.startswith("field of view: ")]  # of pictures, what is assumed
    assert (code, said) == (0, [])
    (folder / f"piped{call.suffix}").write_bytes(as_bytes(text))
    assert voxcli(*call.line(call.source, "named" + call.suffix))[:2] == (0, "")
    piped, named = (files.read(folder / f"{each}{call.suffix}") if call.suffix != ".vox" else None for each in ("piped", "named"))
    assert type(piped) is type(named)
    assert abs(len(as_bytes(text)) - (folder / f"named{call.suffix}").stat().st_size) < 250  # the input's digest, and a seed's name


@pytest.mark.parametrize("name", VERBS)
def test_stdin_without_its_format_is_refused(refused, folder, name):
    refused(*VERBS[name].line("-", "x" + VERBS[name].suffix), named="--input-format")


@pytest.mark.parametrize("name", VERBS)
def test_an_output_that_exists_is_refused_kept_or_replaced(refused, voxcli, folder, name):
    call = VERBS[name]
    target, old = folder / f"out{call.suffix}", (folder / WHOLE[call.suffix]).read_bytes()
    target.write_bytes(old)
    refused(*call.line(call.source, target.name), named=f"Output exists: {target.name}.")
    code, text, errors = voxcli(*call.line(call.source, target.name, "--skip-existing"))
    assert (code, text) == (0, "") and "skipped 1 of 1" in errors
    assert target.read_bytes() == old
    assert voxcli(*call.line(call.source, target.name, "--overwrite", "--skip-existing"))[0] == 2
    assert voxcli(*call.line(call.source, target.name, "--overwrite"))[:2] == (0, "")
    assert voxcli(*call.line(call.source, f"fresh{call.suffix}"))[:2] == (0, "")
    assert target.read_bytes() == (folder / f"fresh{call.suffix}").read_bytes()


@pytest.mark.parametrize("name", VERBS)
def test_a_folder_is_mirrored_and_only_what_is_missing_is_made(voxcli, folder, name):
    call = VERBS[name]
    tree_of(call, folder)
    line = call.line("in", "out/", *to_folder(call))
    assert voxcli(*line, "--dry-run")[0] == 0 and not (folder / "out").exists()
    assert voxcli(*line)[:2] == (0, "")
    made = [folder / "out" / f"{each}{call.suffix}" for each in ("a", "more/b")]
    assert [path for path in sorted((folder / "out").rglob("*")) if path.is_file()] == made
    before = made[0].read_bytes()
    kept = (folder / WHOLE[call.suffix]).read_bytes()
    made[0].write_bytes(kept)
    made[1].unlink()
    assert voxcli(*line, "--skip-existing")[0] == 0
    assert made[0].read_bytes() == kept and made[1].exists()
    made[0].write_bytes(kept[:-100])  # as another program's kill leaves it
    code, _, errors = voxcli(*line, "--skip-existing")
    assert code == 0 and "out/a" in errors and made[0].read_bytes() == before
    assert voxcli(*line, "--overwrite")[0] == 0
    assert made[0].read_bytes() == before


@pytest.mark.parametrize("name", VERBS)
def test_keep_going_finishes_the_rest_and_exits_1(refused, voxcli, folder, name):
    call = VERBS[name]
    first, second = tree_of(call, folder)
    (folder / first).write_text("broken")
    line = call.line("in", "out", *to_folder(call))
    refused(*line, named=first)
    code, text, errors = voxcli(*line, "--keep-going")
    assert (code, text) == (1, "") and first in errors and errors.endswith("error: 1 of 2 items failed.\n")
    assert (folder / f"out/more/b{call.suffix}").exists() and not (folder / f"out/a{call.suffix}").exists()


def test_batches_of_pictures_keep_going_and_change_no_byte(voxcli, folder):
    call = CALLS["predict"]
    first, _ = tree_of(call, folder)
    assert voxcli(*call.line("in", "single"))[0] == 0
    assert voxcli(*call.line("in", "pair", "--batch-size", "2"))[0] == 0
    for name in ("a.npz", "more/b.npz"):
        alone, together = (files.read(folder / where / name) for where in ("single", "pair"))
        assert (alone.labels == together.labels).all()
    (folder / first).write_text("broken")
    assert voxcli(*call.line("in", "rest", "--batch-size", "2", "--keep-going"))[0] == 1
    assert (folder / "rest/more/b.npz").read_bytes() == (folder / "single/more/b.npz").read_bytes()


@pytest.mark.parametrize("name", ["fruxelize", "convert-points"])
def test_workers_change_no_byte(voxcli, voxcli_process, folder, name):
    call = CALLS[name]
    tree_of(call, folder)
    assert voxcli(*call.line("in", "one", *to_folder(call)))[:2] == (0, "")
    assert voxcli_process(*call.line("in", "two", *to_folder(call), "--workers", "2"))[:2] == (0, "")
    for each in (f"a{call.suffix}", f"more/b{call.suffix}"):
        assert (folder / "one" / each).read_bytes() == (folder / "two" / each).read_bytes()


def test_data_sets_grow_resume_and_do_not_depend_on_workers(refused, voxcli, voxcli_process, tmp_path):
    line = ("synth", "street", "--size", "16", "16", "--depth", "8", "--seed", "3")
    assert voxcli(*line, "-o", "one", "--count", "3") == (0, "", "3 scenes made, 0 were there: one\n")
    assert voxcli(*line, "-o", "two", "--count", "1")[0] == 0
    assert voxcli_process(*line, "-o", "two", "--count", "3", "--workers", "2", "-q") == (0, "", "")
    assert voxcli(*line, "-o", "two", "--count", "3") == (0, "", "0 scenes made, 3 were there: two\n")
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(names) == 1 + 3 * 5
    assert names == sorted(path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*") if path.is_file())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    refused(*line, "-o", "one", "--count", "3", "--fov-jitter", "2", named="other options")


def test_what_is_made_says_how(voxcli, folder):
    import hashlib

    files.write(folder / "wheel.obj", box_mesh((0.6, 0.6, 0.2)))
    digest = hashlib.sha256((folder / "wheel.obj").read_bytes()).hexdigest()
    assert voxcli("fruxelize", folder / "wheel.obj", "--class", "car", "-o", "a.npz", "--depth", "4")[0] == 0
    meta = files.read(folder / "a.npz").meta
    assert meta["command"] == "fruxelize" and meta["inputs"] == {"wheel.obj": digest} and meta["options"]["depth"] == 4
    assert str(folder) not in str(meta)
    assert voxcli("convert", "a.npz", "-o", "a.glb")[0] == 0
    meta = files.read(folder / "a.glb").meta
    assert meta["command"] == "convert" and list(meta["inputs"]) == ["a.npz"]
    assert voxcli("convert", "a.npz", "-o", "a.h5")[0] == 0  # the same thing in another format keeps its own
    assert files.read(folder / "a.h5").meta["command"] == "fruxelize"
    for output in ("p.npz", "p.glb"):
        assert voxcli("predict", "street.png", "--weights", "best.safetensors", "-o", output)[0] == 0
        meta = files.read(folder / output).meta
        assert meta["weights"] == hashlib.sha256((folder / "best.safetensors").read_bytes()).hexdigest()
        assert meta["prediction"]["fov_assumed"] is True
