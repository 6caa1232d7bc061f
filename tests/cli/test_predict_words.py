"""What `predict` says of pictures it doubts, of flags that mean nothing, and of objects it does not see."""

import sys

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

from voxcli import files
from voxcli.scene import Picture

WEIGHTS = ("--weights", "object.safetensors")


@pytest.fixture
def folder(tmp_path):
    FILES["object.safetensors"](tmp_path / "object.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (140, 150, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    return tmp_path


def predicted(voxcli, source, *flags, target="out.npz"):
    return voxcli("predict", source, *WEIGHTS, "-o", target, "--overwrite", *flags)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((31, 60), "31x60 pixels are very few"),
        ((200, 40), "far from square"),
        ((40, 200), "far from square"),
        ((160, 40), None),
        ((32, 32), None),
    ],
)
def test_pictures_of_unusual_size_are_warned_of_once(voxcli, folder, size, said):
    Image.new("RGB", size, (200, 30, 90)).save(folder / "odd.png")
    code, _, errors = predicted(voxcli, "odd.png")
    warned = [line for line in errors.splitlines() if "pixels are" in line]
    assert code == 0 and len(warned) == (said is not None) and all(said in line and "odd.png" in line for line in warned), errors


@pytest.mark.parametrize("name", ["moving.png", "moving.webp", "pages.tif", "moving.gif", "moving.apng"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_that_is_said(voxcli, folder, name):
    frames = [Image.new("RGB", (150, 140), (k * 60, 30, 90)) for k in range(3)]
    frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    code, _, errors = predicted(voxcli, name)
    assert code == 0 and errors.count(f"{name} holds 3 pictures; the first is taken.") == 1, errors
    frames[0].save(folder / "still.png")
    code, _, errors = predicted(voxcli, "still.png", target="still.npz")
    assert code == 0 and "holds" not in errors


def test_a_format_that_is_only_written_is_said_to_be_that(voxcli, folder):
    (folder / "grid.vox").write_bytes(b"VOX ")
    code, _, errors = predicted(voxcli, "grid.vox")
    assert code == 2 and "grid.vox: MagicaVoxel files are written here, and cannot be read." in errors and ".png" in errors


def test_heic_names_the_extra_where_it_is_absent(voxcli, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (folder / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    for more in ((), ("--dry-run",)):
        code, text, errors = predicted(voxcli, "photo.heic", *more)
        assert (code, text) == (2, "") and len(errors.splitlines()) == 2
        assert "photo.heic" in errors and "pip install 'voxcli[heic]'" in errors


def test_heic_is_read_where_the_extra_is_there(voxcli, folder):
    pillow_heif = pytest.importorskip("pillow_heif")
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32] = (200, 40, 40)  # red on the left, black on the right
    pillow_heif.register_heif_opener()
    Image.fromarray(rgb).save(folder / "photo.heic", quality=95)
    found = files.read_as(folder / "photo.heic", Picture)
    assert found.rgb.shape == (48, 64, 3) and found.rgb[:, :28, 0].min() > 150 and found.rgb[:, 36:].max() < 60
    (plan,) = voxcli("predict", "photo.heic", *WEIGHTS, "-o", "x.npz", "--dry-run")[1].splitlines()
    assert '"width": 64, "height": 48' in plan


def test_flags_that_mean_nothing_are_refused_and_not_recorded(voxcli, folder):
    code, _, errors = predicted(voxcli, "plain.png", "--resolution", "128")
    assert code == 2 and "--resolution means nothing to pix2vox-f" in errors
    assert errors.count("--views") == 1 and "--crop" in errors and "--fov" not in errors
    assert predicted(voxcli, "plain.png")[0] == 0
    assert "resolution" not in files.read(folder / "out.npz").meta["options"]


def test_a_resolution_is_taken_where_an_output_has_one(refused, voxcli, folder):
    FILES["best.safetensors"](folder / "best.safetensors")
    line = ("predict", "plain.png", "--weights", "best.safetensors")
    assert voxcli(*line, "--resolution", "20", "-o", "box.binvox")[0] == 0
    assert max(files.read(folder / "box.binvox").values.shape) == 20
    refused(*line, "--resolution", "20", "-o", "own.npz", named="--resolution means nothing to ssz")


def test_an_object_that_is_not_seen_is_warned_of_or_refused(voxcli, folder):
    assert predicted(voxcli, "plain.png")[0] == 0
    highest = float(files.read(folder / "out.npz").probabilities.max())
    assert highest < 1
    for name in ("out.npz", "out.h5", "out.binvox", "out.vox"):
        code, _, errors = predicted(voxcli, "plain.png", "--threshold", "1", target=name)
        assert code == 0 and f"nothing reaches the threshold 1; the highest probability is {highest:.4g}" in errors
    code, _, errors = predicted(voxcli, "plain.png", "--threshold", "1", target="out.glb")
    assert code == 2 and "plain.png: nothing reaches the threshold 1" in errors and "Lower --threshold" in errors
    assert not (folder / "out.glb").exists()


LATE = {
    "empty": ("--bbox", "50", "50", "40", "60"),
    "contradict": ("--bbox", "5", "5", "40", "60", "--crop", "none"),
    "plain.png: The bounding box lies outside of the picture": ("--bbox", "500", "500", "600", "600"),
    "--threshold is out of range": ("--threshold", "2"),
}


@pytest.mark.parametrize("said", LATE)
def test_calls_are_checked_before_torch_is_loaded(voxcli_process, folder, said):
    (folder / "torch.py").write_text("raise SystemExit('torch is imported')\n")
    env = {"PYTHONPATH": str(folder)}
    code, _, errors = voxcli_process("predict", "plain.png", "-m", "pix2vox-f", "-o", "out.npz", *LATE[said], env=env)
    assert code == 2 and said in errors and "torch" not in errors, errors


def test_a_box_is_held_against_the_upright_picture(voxcli, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: 200 wide, 300 high
    Image.new("RGB", (300, 200)).save(folder / "turned.jpg", exif=exif)
    assert files.picture_size(folder / "turned.jpg") == (200, 300)
    assert predicted(voxcli, "turned.jpg", "--bbox", "20", "220", "100", "290")[0] == 0
    code, _, errors = predicted(voxcli, "turned.jpg", "--bbox", "220", "20", "290", "100")
    assert code == 2 and "turned.jpg: The bounding box lies outside of the picture." in errors and "200x300" in errors


def test_several_objects_in_folders_do_not_fit_into_one_file(voxcli, folder):
    for name in ("objects/a", "objects/b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0.png").write_bytes((folder / "plain.png").read_bytes())
    code, _, errors = predicted(voxcli, "objects", "--views", target="all.npz")
    assert code == 2 and "2 objects in subfolders, but -o all.npz is one file." in errors
    assert "Each folder of pictures is an object" in errors and "-o FOLDER/" in errors


def test_a_transparent_picture_is_answered_with_what_to_do(voxcli, folder):
    Image.new("RGBA", (150, 140), (90, 90, 90, 0)).save(folder / "clear.png")
    code, _, errors = predicted(voxcli, "clear.png")
    assert code == 2 and "transparent everywhere" in errors and "Save it without transparency" in errors


def test_a_folder_of_predictions_names_the_model_and_what_shows_them(voxcli, folder):
    (folder / "in").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (32, 32), (200, 30, 90)).save(folder / f"in/{name}.png")
    errors = predicted(voxcli, "in", target="out")[2]
    assert errors.splitlines()[-1] == "out: 2 files written by object.safetensors. Next: voxcli view out/ -o sheets/"


def test_what_is_next_can_be_pasted_where_a_name_begins_with_a_dash(voxcli, folder):
    next_step = predicted(voxcli, "plain.png", target="-dash.npz")[2].partition("Next: ")[2]
    assert next_step.startswith("voxcli view ./-dash.npz -o ./-dash.html; ")
    assert voxcli(*next_step.partition(";")[0].split()[1:])[0] == 0
    code, _, errors = voxcli("view", "-dash.npz", "-o", "x.html")
    assert code == 2 and "./-NAME" in errors
    assert voxcli("view", "-o", "x.html", "--", "-dash.npz")[0] == 0


def test_stdin_without_a_format_is_refused_before_any_work(voxcli, refused, folder):
    for line in ("predict plain.png - -o out/", "predict plain.png - -o out/ --dry-run", "predict - -o out.npz --dry-run"):
        said = refused(*line.split(), "--weights", "object.safetensors", named=("--input-format", "jpeg", "png"))
        assert not {"ply", "glb", "kitti"} & {*said.replace(",", "").split()}, "formats that hold no picture"
    line = ("predict", "plain.png", "-", "-o", "out/", "--weights", "object.safetensors", "--keep-going", "--dry-run")
    code, text, errors = voxcli(*line)
    assert code == 1 and "--input-format" in errors and len(text.splitlines()) == 1
    assert voxcli(*line, "--input-format", "png", input=b"")[0] == 0
