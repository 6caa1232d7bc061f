"""Whatever the local collection of broken meshes holds is filled, or refused with one clear error."""

from pathlib import Path

import numpy as np
import pytest

from voxcli import files
from voxcli.errors import VoxcliError
from voxcli.geometry.scenes import bounding_cube, fruxelize_scene, voxelize_scene
from voxcli.scene import Frustum, Labels, Mesh, SceneDescription, SceneObject

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ODD = sorted(p for p in (DATA / "meshes" / "odd").rglob("*") if p.is_file()) if DATA.is_dir() else []


@pytest.mark.parametrize("path", ODD, ids=lambda p: p.name)
def test_every_odd_mesh_is_filled_or_refused(path):
    try:
        mesh = files.read_as(path, Mesh)
        scene = SceneDescription((SceneObject(mesh, "car"),))
        shape, origin, size = bounding_cube(scene, 24)
        voxels = voxelize_scene(scene, shape, origin, size).grid
        frustum = Frustum(24, 24, 24, 2.0, 6.0, 40.0)
        view = np.diag([1.0, -1.0, -1.0, 1.0])
        view[2, 3] = 4
        middle, reach = origin + 12 * size, float(size[0]) * 24
        scaled = Mesh((mesh.vertices - middle) / reach * 1.5, mesh.faces)
        fruxels = fruxelize_scene(SceneDescription((SceneObject(scaled, "car"),)), frustum, view).grid
    except VoxcliError as error:
        assert 1 <= len(str(error).splitlines()) <= 3
        return
    assert (voxels.labels > 0).any()
    assert (fruxels.labels > 0).any()


def test_a_cube_without_one_of_its_eighths_is_seven_eighths_full(shared_data):
    path = shared_data / "meshes" / "odd" / "7_8ths_cube.stl"
    if not path.exists():
        pytest.skip("the mesh is absent")
    scene = SceneDescription((SceneObject(files.read_as(path, Mesh), "car"),))
    voxels = voxelize_scene(scene, *bounding_cube(scene, 32)).grid
    assert (voxels.labels > 0).mean() == pytest.approx(7 / 8, rel=0.02)


def test_a_chair_of_doubled_faces_agrees_with_the_binvox_programs_own_voxels(shared_data):
    """The .binvox beside the mesh was made by the binvox program, which carves by parity and by views: cells at the surface differ."""
    truth = files.read(shared_data / "meshes" / "chair_model.binvox")
    mesh = files.read_as(shared_data / "meshes" / "chair_model.obj", Mesh)
    scene = SceneDescription((SceneObject(mesh, "chair"),), Labels(("air", "chair")))
    ours = voxelize_scene(scene, truth.values.shape, truth.origin, truth.voxel_size).grid.labels > 0
    theirs = np.asarray(truth.values, bool)
    overlap = (ours & theirs).sum() / (ours | theirs).sum()
    assert overlap > 0.5, overlap
    near = np.zeros_like(theirs)
    for axis in range(3):
        for step in (-1, 0, 1):
            near |= np.roll(theirs, step, axis)
    assert (ours & near).sum() / ours.sum() > 0.97  # all of ours lies in or beside theirs
