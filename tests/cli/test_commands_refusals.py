"""Wrong input of every kind: one to three lines that name what is wrong, exit code 2, an empty stdout, and nothing written."""

import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from example_files import FILES, fruxel_grid

from voxcli import files
from voxcli.scene import FruxelGrid, VoxelGrid


def bomb(path):
    """An archive of a few hundred bytes whose header declares 116 GiB."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": (5000, 5000, 5000)}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


def without(key):
    def write(path):
        files.write(path, fruxel_grid())
        with np.load(path) as archive:
            rest = {name: archive[name] for name in archive if name != key}
        np.savez(path, **rest)

    return write


def first_half(name):
    def write(path):
        FILES[name](path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return write


BROKEN = {
    "text.png": lambda path: path.write_text("this is a text"),
    "text.glb": lambda path: path.write_text("this is a text"),
    "empty.png": lambda path: path.write_bytes(b""),
    "empty.obj": lambda path: path.write_bytes(b""),
    "empty.npz": lambda path: path.write_bytes(b""),
    "empty.yaml": lambda path: path.write_bytes(b""),
    "truncated.npz": first_half("scene.npz"),
    "truncated.glb": first_half("car.glb"),
    "truncated.png": first_half("street.png"),
    "pickles.npz": lambda path: np.savez(path, labels=np.array([{"a": 1}], dtype=object)),
    "bomb.npz": bomb,
    "keyless.npz": without("labels"),
    "faceless.obj": lambda path: path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
    "nan.obj": lambda path: path.write_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
    "dangling.obj": lambda path: path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 7\n"),
}
VERBS = {
    "fruxelize": ("fruxelize", "-o", "out.npz"),
    "convert": ("convert", "-o", "out.ply"),
    "view": ("view", "-o", "out.png"),
    "render-surfels": ("render-surfels", "-o", "out.png"),
    "predict": ("predict", "--weights", "best.safetensors", "-o", "out.npz"),
    "metrics iou": ("metrics", "iou", "scene.npz"),
    "segment": ("segment", "--weights", "best.safetensors", "-o", "out.json"),
    "fuse-views": ("fuse-views", "scene.npz", "-o", "out.npz"),
}


def provide(folder, *names):
    for name in names:
        if not (folder / name).exists():
            FILES[name](folder / name)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_and_nothing_is_written(refused, tmp_path, name, verb):
    provide(tmp_path, "best.safetensors", "scene.npz")
    BROKEN[name](tmp_path / name)
    refused(*VERBS[verb], name, named=name)


@pytest.mark.parametrize("name", ["text.png", "empty.npz", "truncated.glb", "nan.obj"])
def test_what_is_broken_in_a_pipe_is_called_stdin(refused, tmp_path, name):
    BROKEN[name](tmp_path / name)
    line = ("convert", "-", "-o", "-", "--format", "ply", "--input-format", name.split(".")[1])
    refused(*line, input=(tmp_path / name).read_bytes(), named="stdin")


SCENE_CHANGES = {
    "unknown class": ("class: car", "class: carr", "carr"),
    "unknown key": ("class: car", "klass: car", "Did you mean 'class'?"),
    "unknown top key": ("objects:", "objetcs:", "Did you mean 'objects'?"),
    "negative near plane": ("z_near: 2", "z_near: -2", "z_near"),
    "far before near": ("z_far: 12", "z_far: 1", "z_far"),
    "field of view of 200": ("fov_x_deg: 53.13", "fov_x_deg: 200", "200"),
    "no width": ("width: 64, height: 64, depth", "width: 0, height: 64, depth", "width 0"),
    "half a slice": ("depth: 32", "depth: 3.5", "whole"),
    "mirrored camera": ("[0, -1, 0, 1.5]", "[0, 1, 0, 1.5]", "rigid"),
    "missing mesh": ("mesh: car.obj", "mesh: caar.obj", "Did you mean 'car.obj'?"),
    "no mesh": ("mesh: car.obj", "mesh: scene.yaml", "mesh"),
    "NaN position": ("[0, 0, -6]", "[0, .nan, -6]", "finite"),
    "two numbers": ("[0, 0, -6]", "[0, 0]", "position"),
    "nothing": ("  - {mesh: car.obj, class: car, position: [0, 0, -6]}\n", "", "nothing"),
    "huge": ("width: 64, height: 64, depth", "width: 64000, height: 64000, depth", "too large"),
    "no YAML": ("objects:", "objects: [", "YAML"),
}


@pytest.mark.parametrize("change", SCENE_CHANGES)
def test_a_wrong_scene_is_named_with_its_key(refused, tmp_path, change):
    provide(tmp_path, "scene.yaml")
    old, new, said = SCENE_CHANGES[change]
    text = (tmp_path / "scene.yaml").read_text()
    assert old in text
    (tmp_path / "wrong.yaml").write_text(text.replace(old, new))
    errors = refused("fruxelize", "wrong.yaml", "-o", "out.npz", named=said)
    assert change == "huge" or "wrong.yaml" in errors
    assert "wrong.yaml" in refused("fruxelize", "wrong.yaml", "--grid", "voxel", "-o", "out.npz") if change == "nothing" else True


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--z-near", "-1"), "z_near"),
        (("--z-near", "20"), "z_far must lie behind z_near"),
        (("--z-near", "nan"), "--z-near must be a finite number"),
        (("--z-far", "inf"), "--z-far must be a finite number"),
        (("--fov", "200"), "200"),
        (("--fov", "nan"), "--fov"),
        (("--size", "0", "0"), "width 0"),
        (("--size", "-3", "5"), "width -3"),
        (("--size", "64"), "--size"),
        (("--depth", "0"), "'--depth': 0"),
        (("--size", "100000", "100000"), "too large"),
        (("--grid", "voxel", "--resolution", "5000"), "too large"),
        (("--grid", "voxel", "--resolution", "0"), "--resolution"),
        (("--resolution", "32"), "--grid voxel"),
        (("--grid", "voxel", "--preset", "shapenet"), "--preset shapes a fruxel grid"),
        (("--grid", "voxel", "--camera", "camera.yaml"), "--camera shapes a fruxel grid"),
        (("--distance", "0"), "--distance"),
        (("--distance", "nan"), "--distance"),
        (("--elevation", "91"), "--elevation"),
        (("--azimuth", "nan"), "--azimuth"),
        (("--class", " "), "--class"),
        (("--class", "air"), "--class"),
        (("--class", "car", "--classes", "parts.yaml"), "contradict"),
        (("--classes", "absent.yaml"), "absent.yaml"),
        (("--classes", "parts.yaml"), "no class: mesh"),
        (("--classes", "list.yaml"), "'mesh'"),
        (("--classes", "nothing.yaml"), "nothing.yaml"),
        (("--classes", "all-air.yaml"), "nothing to fill"),
        (("--camera", "absent.yaml"), "absent.yaml"),
        (("--camera", "car.obj"), "car.obj cannot hold camera"),
        (("--preset", "shapnet"), "shapnet"),
        (("--device", "cuda:77"), "cuda:77"),
        (("--device", "gpu"), "gpu"),
        (("--workers", "0"), "--workers"),
        (("--format", "mpz"), "Did you mean 'npz'?"),
    ],
)
def test_flags_of_fruxelize_that_mean_nothing(refused, tmp_path, flags, said):
    provide(tmp_path, "car.obj", "camera.yaml")
    for name, text in {"parts": "wheels: car", "list": "mesh: [1]", "nothing": "", "all-air": "mesh: air"}.items():
        (tmp_path / f"{name}.yaml").write_text(text + "\n")
    refused("fruxelize", "car.obj", "-o", "out.npz", *flags, named=said)


@pytest.mark.parametrize("verb", ["fruxelize", "convert", "view", "predict", "segment"])
def test_outputs_that_cannot_be(refused, tmp_path, verb):
    source = {"fruxelize": "car.obj", "convert": "scene.npz", "view": "car.obj", "predict": "street.png", "segment": "scene.npz"}[verb]
    suffix = {"fruxelize": ".npz", "convert": ".glb", "view": ".png", "predict": ".npz", "segment": ".npz"}[verb]
    provide(tmp_path, "best.safetensors", "scene.npz", "street.png", "car.obj")
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "none").mkdir()
    weights = ("--weights", "best.safetensors") if verb == "predict" else ()
    for output in (f"file/out{suffix}", f"file/deep/out{suffix}"):
        refused(verb, source, "-o", output, *weights, named=f"{output} cannot be written")
    for output, said in (("out", "no extension"), ("out.oops", "'oops'"), ("out.mat", "cannot be")):
        refused(verb, source, "-o", output, *weights, named="PNG" if verb == "view" else said)
    refused(verb, "none", "-o", "out/", *weights, *(("--to", "glb") if verb == "convert" else ()), named="No inputs in none")
    refused(verb, f"absent{suffix}", "-o", f"out{suffix}", *weights, named=f"absent{suffix}")
    several = (source,) * (3 if verb == "view" else 2)  # two scenes are a prediction and its truth, on one sheet
    refused(verb, *several, "-o", f"out{suffix}", *weights, named="one file")
    refused(verb, source, "-o", f"out{suffix}", "--dryrun", named="Did you mean '--dry-run'?")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("convert shapes -o out", "--to npz"),
        ("convert car.obj -o none", "--to npz"),
        ("convert car.obj -o none/", "--to npz"),
        ("convert car.obj -o out.stl --to ply", "contradict"),
        ("convert car.obj -o - --to ply --format stl", "contradict"),
        ("convert car.obj -o out.npz --as fruxels", "mesh cannot become fruxels"),
        ("convert car.obj -o out.npz --as voxel", "Did you mean 'voxels'?"),
        ("convert car.obj -o out.npz --points 0", "--points"),
        ("convert scene.npz -o out.binvox --resolution 5000", "too large"),
        ("convert scene.npz -o out.glb --threshold nan", "--threshold"),
        ("convert scene.npz -o out.png", "fruxels cannot become what PNG holds"),
        ("convert air.npz -o out.glb", "face"),
        ("convert scene.npz -o out.xyz", "labels"),
        ("convert car.obj -o out.vox --kind depth", "car.obj cannot hold depth"),
        ("view car.obj", "-o FILE.png"),
        ("view car.obj -o out.jpg", "PNG"),
        ("view car.obj -o out.png --size 0", "--size"),
        ("view car.obj -o out.png --size 99999", "--size"),
        ("view scene.npz -o out.png --threshold nan", "--threshold"),
        ("render-surfels car.obj -o out.stl", "cannot be written as .stl"),
        ("render-surfels car.obj -o out.npz --as shaded", "out.npz: shaded cannot be written as .npz"),
        ("render-surfels car.obj -o out.png --as surfels", "surfels cannot be written as .png"),
        ("render-surfels car.obj -o out.gif --as depth", "depth cannot be written as .gif"),
        ("render-surfels car.obj -o out.npz --views 3", ".npz holds one view"),
        ("render-surfels car.obj -o out.png --views 0", "--views"),
        ("render-surfels car.obj -o out.png --size 0", "--size"),
        ("render-surfels car.obj -o out.png --radius 0", "--radius must be positive"),
        ("render-surfels car.obj -o out.png --radius nan", "--radius"),
        ("render-surfels car.obj -o out.png --camera car.obj", "car.obj cannot hold camera"),
        ("render-surfels car.obj -o out.png --lights absent.yaml", "absent.yaml"),
        ("render-surfels car.obj -o out.npz --lights lights.yaml", "there is no light in .npz"),
        ("render-surfels car.obj -o out.png --as normals --lights lights.yaml", "--lights"),
        ("render-surfels air.npz -o out.png", "nothing to see"),
        ("render-surfels depth.npy -o out.png --kind depth", "depth.npy: The depth map has no camera"),
        ("render-surfels street.png -o out.png", "street.png"),
        ("render-surfels car.obj -o out.png --device cuda:77", "cuda:77"),
        ("fruxelize scene.npz -o out.npz", "scene.npz"),
        ("fruxelize soft.npz -o out.npz", "soft.npz: voxels need a camera"),
        ("fruxelize soft.npz -o out.npz --grid voxel", "voxcli convert"),
        ("fruxelize depth.npy -o out.npz", "depth.npy"),
        ("fruxelize car.obj -o out.binvox", "--grid voxel"),
        ("predict street.png -o out.npz -m sszz", "Did you mean 'ssz'?"),
        ("predict street.png -o out.npz --weights absent.safetensors", "absent.safetensors"),
        ("predict street.png -o out.npz --weights garbage.safetensors", "garbage.safetensors"),
        ("predict street.png -o out.npz --weights cut.safetensors", "cut.safetensors"),
        ("predict street.png -o out.npz --weights street.png", "street.png"),
        ("predict street.png -o out.npz --weights best.safetensors --batch-size 0", "--batch-size"),
        ("predict street.png -o out.npz --weights best.safetensors --fov 200", "--fov"),
        ("predict street.png -o out.npz --weights best.safetensors --fov nan", "--fov"),
        ("predict street.png -o out.npz --weights best.safetensors --fov 40 --camera camera.yaml", "contradict"),
        ("predict street.png -o out.npz --weights best.safetensors --camera scene.yaml", "street.png"),
        ("predict street.png -o out.npz --weights best.safetensors --dtype float8", "float8"),
        ("predict street.png -o out.npz --weights best.safetensors --device cuda:77", "cuda:77"),
        ("predict street.png -o out.png --weights best.safetensors", "PNG"),
        ("predict street.png -o out.glb --weights best.safetensors --probabilities", "probabilities"),
        ("predict street.png -o out.vox --weights best.safetensors --resolution 5000", "too large"),
        ("predict car.obj -o out.npz --weights best.safetensors", "car.obj cannot hold image"),
        ("metrics iou scene.npz absent.npz", "absent.npz"),
        ("metrics iou scene.npz soft.npz", "scene.npz"),
        ("metrics iou small.npz scene.npz", "small.npz"),
        ("metrics iou shapes scene.npz", "folder"),
        ("metrics iou scene.npz scene.npz --class carr", "Did you mean 'car'?"),
        ("metrics iou scene.npz scene.npz --over everything", "everything"),
        ("metrics iou scene.npz scene.npz --fail-under nan", "--fail-under"),
        ("metrics iou none none", "No inputs in none"),
        ("synth street -o out --count 0", "--count"),
        ("synth street -o out --count 1 --size 0 16", "width 0"),
        ("synth street -o out --count 1 --depth 0", "--depth"),
        ("synth street -o out --count 1 --size 100000 100000", "too large"),
        ("synth street -o out --count 1 --fov-jitter 90", "--fov-jitter"),
        ("synth street -o out --count 1 --seed -1", "--seed"),
        ("synth street -o out --count 1 --assets absent", "absent"),
        ("synth street -o car.obj --count 1", "car.obj"),
        ("synth street -o car.obj/out --count 1", "car.obj"),
        ("synth street -o - --count 1", "-o DIR"),
        ("train", "--data DIR -o RUN"),
        ("train -m sszz --data street -o out", "Did you mean 'ssz'?"),
        ("train --data street -o out --recipe streets", "Did you mean 'street'?"),
        ("train --data street -o out --recipe garbage.safetensors", "garbage.safetensors"),
        ("train --data shapes -o out --dry-run", "shapes"),
        ("train --data street -o car.obj --recipe street-small", "car.obj"),
    ],
)
def test_calls_that_cannot_be_carried_out(refused, tmp_path, words, said):
    provide(tmp_path, "car.obj", "scene.npz", "street.png", "best.safetensors", "camera.yaml", "scene.yaml", "depth.npy")
    for name in ("shapes/box.obj", "street/images/000000.png", "street/fruxels/000000.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        provide(tmp_path, name)
    (tmp_path / "none").mkdir()
    (tmp_path / "garbage.safetensors").write_text("garbage")
    (tmp_path / "lights.yaml").write_text("ambient: [1, 1, 1]\n")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "best.safetensors").read_bytes()[:-50])
    files.write(tmp_path / "soft.npz", VoxelGrid(occupancy=np.full((3, 3, 3), 0.7, np.float32)))
    scene = fruxel_grid()
    files.write(tmp_path / "air.npz", replace(scene, labels=np.zeros_like(scene.labels)))
    files.write(tmp_path / "small.npz", FruxelGrid(np.zeros((8, 8, 8), np.uint8), replace(scene.frustum, width=8, height=8, depth=8)))
    refused(*words.split(), named=said)
