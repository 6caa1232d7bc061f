"""`predict` with Pix2Vox: pictures of every kind, one or several views, every output; and `fuse-views` of coarse volumes."""

import hashlib
import io

import numpy as np
import pytest
import scipy.io
import trimesh
from example_files import FILES
from PIL import Image
from scipy.ndimage import map_coordinates

from voxcli import files

WEIGHTS = ("--weights", "object.safetensors")
EXACT = (*WEIGHTS, "--dtype", "float32")  # where digits are compared: --dtype auto is bfloat16, three digits, on some processors


@pytest.fixture(autouse=True)
def folder(tmp_path):
    FILES["object.safetensors"](tmp_path / "object.safetensors")
    for k in range(3):
        rgba = np.random.default_rng(k).integers(0, 256, (137, 137, 4), dtype=np.uint8)
        rgba[..., 3] = 255 * (np.hypot(*np.mgrid[-68:69, -68:69]) < 50)
        Image.fromarray(rgba).save(tmp_path / f"view{k}.png")
    return tmp_path


def ran(voxcli, *line):
    code, text, errors = voxcli(*line)
    assert (code, text) == (0, ""), errors
    return errors


def test_a_picture_becomes_occupancy_with_its_probabilities_and_an_account(voxcli, folder):
    errors = ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.npz", "-v")
    assert "view0.png: crop center: pixels [4, 4, 132, 132], B, G, R, bilinear to 224x224, background on 5" in errors
    grid = files.read(folder / "a.npz")
    assert grid.values.shape == (32, 32, 32) and 0.02 < grid.values.mean() < 0.98
    assert np.array_equal(grid.values, grid.probabilities >= 0.4) and grid.context is None
    assert np.allclose(grid.origin, -0.5) and np.allclose(grid.voxel_size, 1 / 32)
    assert grid.meta["inputs"] == {"view0.png": hashlib.sha256((folder / "view0.png").read_bytes()).hexdigest()}
    assert grid.meta["frame"] == "object, +y up" and grid.meta["prediction"]["pictures"][0]["crop"] == "center"
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "b.npz", "--threshold", "0.6")
    assert np.array_equal(files.read(folder / "b.npz").values, grid.probabilities >= 0.6)


def test_weights_may_name_a_threshold_of_their_own(voxcli, folder):
    from voxcli.models.weights import Weights, load_weights, save_weights

    w = load_weights(folder / "object.safetensors")
    save_weights(folder / "own.safetensors", Weights(w.tensors, w.model, w.config, w.facts | {"threshold": 0.55}))
    ran(voxcli, "predict", "view0.png", "--weights", "own.safetensors", "-o", "a.npz")
    ran(voxcli, "predict", "view0.png", "--weights", "own.safetensors", "-o", "coarse.npz", "--coarse")
    ran(voxcli, "fuse-views", "coarse.npz", "--weights", "own.safetensors", "-o", "fused.npz")
    for name in ("a.npz", "fused.npz"):
        grid = files.read(folder / name)
        assert np.array_equal(grid.values, grid.probabilities >= 0.55)


def test_every_output_holds_the_same_object(voxcli, folder):
    for suffix in ("npz", "h5", "binvox", "vox", "glb", "ply", "obj"):
        ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", f"a.{suffix}")
    grid = files.read(folder / "a.npz")
    for suffix in ("h5", "binvox"):
        other = files.read(folder / f"a.{suffix}")
        assert np.array_equal(other.values, grid.values) and np.allclose(other.origin, -0.5)
    around = np.pad(grid.probabilities.astype(float), 1)
    crossings, sizes = sum(int((np.diff(around >= 0.4, axis=axis)).sum()) for axis in range(3)), set()
    for suffix in ("glb", "ply", "obj"):
        mesh = trimesh.load(folder / f"a.{suffix}", force="mesh")
        # Between two neighbouring cell centres of which one is occupied lies a vertex, where the probabilities cross the threshold. Around
        # the volume they are 0. A few vertices more lie within cubes of eight centres, and may come close to a line.
        places = (np.asarray(mesh.vertices) + 0.5) * 32 - 0.5
        on_lines = places[(np.abs(places - places.round()) < 1e-5).sum(1) >= 2]
        assert np.abs(map_coordinates(around, on_lines.T + 1, order=1) - 0.4).max() < 1e-4
        assert len(on_lines) == crossings and len(places) < 1.1 * crossings
        sizes.add(len(mesh.faces))
    assert len(sizes) == 1
    assert files.read_as(folder / "a.npz", files.read(folder / "a.npz").__class__).probabilities.dtype == np.float32


def test_part_and_background_are_chosen_and_told(voxcli, folder):
    def probabilities(name, *flags):
        told = ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", f"{name}.npz", "-v", *flags)
        return told, files.read(folder / f"{name}.npz").probabilities

    told, whole = probabilities("whole", "--crop", "none")
    assert "crop none: pixels [0, 0, 137, 137]" in told
    told, boxed = probabilities("boxed", "--bbox", "20", "30", "100", "90")
    assert "crop box: pixels [20, 20, 101, 101]" in told  # the square about the box, its last pixel included
    told, shares = probabilities("shares", "--bbox", repr(20 / 137), repr(30 / 137), repr(100 / 137), repr(90 / 137))
    assert "crop box: pixels [20, 20, 101, 101]" in told and np.array_equal(boxed, shares)
    told, around = probabilities("around", "--crop", "box")
    assert "crop box: pixels [9, 9, 128, 128]" in told  # 68.5 -+ 59.4: 1.2 times the disc of 99 pixels
    _, dark = probabilities("dark", "--crop", "none", "--background", "20")
    _, same = probabilities("same", "--crop", "none", "--background", "240,240,240")
    assert np.array_equal(whole, same) and all(np.abs(whole - other).max() > 1e-3 for other in (boxed, around, dark))


def test_what_matlab_is_given_of_an_npz_is_the_same_volume(voxcli, folder):
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.npz")
    with np.load(folder / "a.npz", allow_pickle=False) as arrays:
        scipy.io.savemat(folder / "a.mat", dict(arrays))
    grid, again = files.read(folder / "a.npz"), scipy.io.loadmat(folder / "a.mat")
    assert np.array_equal(again["occupancy"] != 0, grid.values) and np.array_equal(again["probabilities"], grid.probabilities)
    assert np.array_equal(files.read(folder / "a.mat").values, grid.values)


def test_a_published_file_is_taken_over_whichever_of_the_two_it_is(refused, voxcli, folder):
    FILES["Pix2Vox-F-ShapeNet.pth"](folder / "official.pth")
    code, text, errors = voxcli("weights", "import", "official.pth", "-o", "mine.safetensors")
    assert (code, text) == (0, "") and "official.pth: a checkpoint of pix2vox-f" in errors and "left: best_iou, epoch_idx" in errors
    ran(voxcli, "predict", "view0.png", "--weights", "mine.safetensors", "-o", "a.npz")
    code, _, errors = voxcli("weights", "import", "pix2vox-a", "official.pth", "-o", "other.safetensors")
    assert code == 2 and "a checkpoint of pix2vox-f" in errors and "[2048, 512, 4, 4, 4]" in errors
    silent = {"object.safetensors": "-m MODEL", "absent.pth": "absent.pth does not exist", ".": "-m MODEL", "view0.png": "no checkpoint"}
    for name, said in silent.items():
        refused("weights", "import", name, "-o", "other.safetensors", named=said)
    assert not (folder / "other.safetensors").exists()


def test_views_of_one_object_make_one_volume_in_any_order(voxcli, folder):
    names = [f"view{k}.png" for k in range(3)]
    ran(voxcli, "predict", *names, "--views", *EXACT, "-o", "one.npz")
    ran(voxcli, "predict", *names[::-1], "--views", *EXACT, "-o", "two.npz")
    ran(voxcli, "predict", names[0], *EXACT, "-o", "alone.npz")
    one, two, alone = (files.read(folder / f"{name}.npz").probabilities for name in ("one", "two", "alone"))
    assert np.abs(one - two).max() < 1e-6 and np.abs(one - alone).max() > 1e-3


def test_each_folder_of_views_is_an_object(voxcli, folder):
    for place, names in {"objects/chair/a": (0, 1), "objects/lamp": (2,)}.items():
        (folder / place).mkdir(parents=True)
        for k in names:
            (folder / place / f"{k}.png").write_bytes((folder / f"view{k}.png").read_bytes())
    ran(voxcli, "predict", "objects", "--views", *EXACT, "-o", "out/", "--batch-size", "2")
    made = sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.npz"))
    assert made == ["chair/a.npz", "lamp.npz"]
    ran(voxcli, "predict", "view0.png", "view1.png", "--views", *EXACT, "-o", "chair.npz")
    assert np.allclose(files.read(folder / "out/chair/a.npz").probabilities, files.read(folder / "chair.npz").probabilities, atol=1e-6)
    ran(voxcli, "predict", "objects/chair/a", "--views", *EXACT, "-o", "same.npz")
    assert np.array_equal(files.read(folder / "same.npz").probabilities, files.read(folder / "chair.npz").probabilities)


def test_fusing_coarse_volumes_is_predicting_from_all_views(voxcli, folder):
    names = [f"view{k}.png" for k in range(3)]
    ran(voxcli, "predict", *names, "--views", *EXACT, "-o", "shot.npz")
    ran(voxcli, "predict", *names, "--coarse", *EXACT, "-o", "coarse/")
    coarse = [f"coarse/view{k}.npz" for k in range(3)]
    assert files.read(folder / coarse[0]).context.shape == (8, 32, 32, 32)
    ran(voxcli, "fuse-views", *coarse, *WEIGHTS, "-o", "fused.npz", "--score-maps", "scores")
    shot, fused = (files.read(folder / f"{name}.npz") for name in ("shot", "fused"))
    assert np.abs(shot.probabilities - fused.probabilities).max() < 1e-5 and fused.meta["command"] == "fuse-views"
    scores = [files.read(folder / f"scores/view{k}.npz").values for k in range(3)]
    volumes = [files.read(folder / name).probabilities for name in coarse]
    assert np.abs(sum(scores) - 1).max() < 1e-6
    assert np.abs(sum(s * v for s, v in zip(scores, volumes, strict=True)) - fused.probabilities).max() < 1e-6
    for method, wanted in (("mean", np.mean(volumes, 0)), ("max", np.max(volumes, 0))):
        ran(voxcli, "fuse-views", *coarse, "--method", method, "-o", f"{method}.npz")
        assert np.abs(files.read(folder / f"{method}.npz").probabilities - wanted).max() < 1e-6
    ran(voxcli, "fuse-views", *coarse, *WEIGHTS, "-o", "fused.glb")


def told(voxcli, folder, *names):
    """The bytes of the probabilities that each picture gives."""
    for name in names:
        ran(voxcli, "predict", name, *EXACT, "-o", f"{name}.npz")
    return [files.read(folder / f"{name}.npz").probabilities.tobytes() for name in names]


def saved(mode, size=(150, 140), **how):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, **how)
    return buffer.getvalue()


PICTURES = {
    "grey.png": lambda: saved("L", format="PNG"),
    "grey-alpha.png": lambda: saved("LA", format="PNG"),
    "palette.png": lambda: saved("P", format="PNG"),
    "bits.png": lambda: saved("1", format="PNG"),
    "cmyk.jpg": lambda: saved("CMYK", format="JPEG"),
    "tiny.png": lambda: saved("RGB", (1, 1), format="PNG"),
    "line.png": lambda: saved("RGB", (500, 1), format="PNG"),
    "large.jpg": lambda: saved("RGB", (3000, 1000), format="JPEG"),
    "animated.png": lambda: saved("RGB", format="PNG", save_all=True, append_images=[Image.new("RGB", (150, 140))]),
    "animated.webp": lambda: saved("RGB", format="WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", (150, 140))]),
    "cmyk.tif": lambda: saved("CMYK", format="TIFF"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_are_taken(voxcli, folder, name):
    """As Pillow converts them to eight bits a channel, of the alpha that they have."""
    (folder / name).write_bytes(PICTURES[name]())
    with Image.open(folder / name) as image:
        image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB").save(folder / "plain.png")
    assert len(set(told(voxcli, folder, name, "plain.png"))) == 1


def test_of_an_animation_the_first_frame_is_seen(voxcli, folder):
    (folder / "still.png").write_bytes(saved("RGB", format="PNG"))
    for name in ("animated.png", "animated.webp"):
        (folder / name).write_bytes(PICTURES[name]())
    assert len(set(told(voxcli, folder, "still.png", "animated.png", "animated.webp"))) == 1


def test_a_silhouette_in_alpha_alone_is_seen_before_the_background(voxcli, folder):
    rgba = np.zeros((224, 224, 4), np.uint8)  # no resize mixes black into the rim
    rgba[60:160, 70:130, 3] = 255
    Image.fromarray(rgba).save(folder / "alpha.png")
    rgb = np.where(rgba[..., 3:] > 0, np.uint8(0), np.uint8(240)).repeat(3, 2)
    Image.fromarray(rgb).save(folder / "painted.png")
    errors = ran(voxcli, "predict", "alpha.png", *WEIGHTS, "-o", "alpha.npz", "--crop", "none", "-v")
    assert "background on" in errors
    ran(voxcli, "predict", "painted.png", *WEIGHTS, "-o", "painted.npz", "--crop", "none")
    assert np.array_equal(files.read(folder / "alpha.npz").probabilities, files.read(folder / "painted.npz").probabilities)


def test_sixteen_bits_are_as_good_as_eight(voxcli, folder):
    grey = np.random.default_rng(0).integers(0, 256, (150, 150), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "eight.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "sixteen.png")
    for name in ("eight", "sixteen"):
        ran(voxcli, "predict", f"{name}.png", *EXACT, "-o", f"{name}.npz")
    assert np.abs(files.read(folder / "eight.npz").probabilities - files.read(folder / "sixteen.npz").probabilities).max() < 1e-5


def test_a_panorama_of_20_000_pixels(voxcli, folder):
    """Of one colour, it is seen as a small picture of that colour is."""
    Image.new("RGB", (20_000, 1_000), (200, 30, 90)).save(folder / "panorama.png")
    Image.new("RGB", (224, 224), (200, 30, 90)).save(folder / "small.png")
    for name in ("panorama", "small"):
        ran(voxcli, "predict", f"{name}.png", *EXACT, "-o", f"{name}.npz")
    seen, small = (files.read(folder / f"{name}.npz").probabilities for name in ("panorama", "small"))
    assert np.abs(seen - small).max() < 1e-5 and np.ptp(small) > 0.1


REFUSED = {
    "transparent everywhere": ("clear.png", ()),
    "damaged image": ("cut.png", ()),
    "image file is truncated": ("cut.jpg", ()),
    "is empty.": ("nothing.png", ()),
    "moving.gif is not an image": ("moving.gif", ()),
    "not an image": ("text.png", ()),
    "transparent": ("clear.png", ("--crop", "none")),
    "no alpha": ("plain.png", ("--crop", "box", "--cut", "none")),
    "plain.png: The bounding box lies outside of the picture": ("plain.png", ("--bbox", "500", "500", "600", "600")),
    "is empty": ("plain.png", ("--bbox", "50", "50", "40", "60")),
    "contradict": ("plain.png", ("--bbox", "5", "5", "40", "60", "--crop", "none")),
    "--background is a grey level": ("plain.png", ("--background", "red")),
    "0 to 255": ("plain.png", ("--background", "1,2,256")),
    "--fov means nothing to pix2vox-f": ("plain.png", ("--fov", "40")),
    "--poses means nothing": ("plain.png", ("--poses", "poses.json")),
    "--probabilities means nothing": ("plain.png", ("--probabilities",)),
    "threshold": ("plain.png", ("--threshold", "0")),
    "--views and --coarse contradict": ("plain.png", ("--views", "--coarse")),
    "weights of another model": ("plain.png", ("-m", "pix2vox-a")),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_is_refused_in_a_few_lines(refused, folder, said):
    Image.fromarray(np.zeros((60, 50, 4), np.uint8)).save(folder / "clear.png")
    Image.fromarray(np.zeros((60, 50, 3), np.uint8)).save(folder / "plain.png")
    (folder / "cut.png").write_bytes((folder / "view0.png").read_bytes()[:2000])
    (folder / "text.png").write_text("no picture")
    (folder / "nothing.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(saved("RGB", format="JPEG")[:3000])
    (folder / "moving.gif").write_bytes(saved("P", format="GIF", save_all=True, append_images=[Image.new("P", (150, 140))])[:40])
    name, flags = REFUSED[said]
    refused("predict", name, *WEIGHTS, "-o", "out.npz", *flags, named=said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict view0.png -m pix2vox-a -o a.npz", "No weights of pix2vox-a come with voxcli"),
        ("predict view0.png --weights object.safetensors --coarse -o a.glb", "no place for what --coarse asks for"),
        ("predict view0.png --weights object.safetensors --coarse -o a.binvox", "no place for what --coarse asks for"),
        ("predict view0.png view1.png --weights object.safetensors -o a.npz", "one file"),
        ("predict - --views --weights object.safetensors -o a.npz", "not several views"),
        ("predict view0.png --views -m ssz -o a.npz", "--views means nothing to ssz"),
        ("predict view0.png --crop box -m ssz -o a.npz", "--crop means nothing to ssz"),
        ("predict view0.png --crop middle --weights object.safetensors -o a.npz", "middle"),
        ("fuse-views plain.npz --weights object.safetensors -o a.npz", "no context"),
        ("fuse-views plain.npz --method meen -o a.npz", "Did you mean 'mean'?"),
        ("fuse-views plain.npz -o a.npz", "-m MODEL"),
        ("fuse-views plain.npz --method mean --score-maps s -o a.npz", "gives no scores"),
        ("fuse-views plain.npz --method mean --trust 0.5 -o a.npz", "--trust means nothing for coarse volumes"),
        ("fuse-views small.npz --method mean -o a.npz", "32 cells"),
        ("fuse-views foreign.npz --weights object.safetensors -o a.npz", "other weights"),
        ("fuse-views view0.png -o a.npz", "view0.png"),
    ],
)
def test_calls_that_cannot_be_carried_out(refused, folder, line, said):
    from voxcli.scene import VoxelGrid

    files.write(folder / "plain.npz", VoxelGrid(np.zeros((32, 32, 32), bool)))
    files.write(folder / "small.npz", VoxelGrid(np.zeros((3, 3, 3), bool)))
    FILES["coarse/left.npz"](folder / "coarse.npz")
    files.write(folder / "foreign.npz", files.read(folder / "coarse.npz"), meta={"weights": "0" * 64})
    refused(*line.split(), named=said)
    assert not list(folder.glob("a.*"))


def test_pictures_that_fail_leave_the_others(voxcli, folder):
    (folder / "in").mkdir()
    for k in range(3):
        (folder / f"in/view{k}.png").write_bytes((folder / f"view{k}.png").read_bytes())
    (folder / "in/view1.png").write_bytes(b"broken")
    code, _, errors = voxcli("predict", "in", *WEIGHTS, "-o", "out", "--keep-going", "--batch-size", "3")
    assert code == 1 and "view1.png" in errors
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["view0.npz", "view2.npz"]
