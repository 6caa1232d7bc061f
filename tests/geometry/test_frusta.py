import math

import pytest
import torch
from torch.testing import assert_close

from voxcli.errors import DataError
from voxcli.geometry.frusta import fruxel_centres, fruxel_index, fruxel_volumes, project
from voxcli.scene import FRUSTUM_PRESETS, Frustum


@pytest.mark.parametrize("fov", [20.0, 60.0, 110.0])
def test_projecting_a_fruxel_centre_gives_back_its_pixel_centre(fov):
    frustum = Frustum(width=7, height=5, depth=4, z_near=2.0, z_far=12.0, fov_x_deg=fov)
    u, v = project(fruxel_centres(frustum), torch.from_numpy(frustum.K)).unbind(-1)  # [D, H, W] each
    assert_close(u, (torch.arange(7).double() + 0.5).expand_as(u))
    assert_close(v, (torch.arange(5).double() + 0.5)[:, None].expand_as(v))


def test_volumes_of_all_fruxels_sum_to_the_volume_of_the_frustum():
    frustum = Frustum(width=8, height=6, depth=5, z_near=1.0, z_far=9.0, fov_x_deg=70.0)
    base = 4 * math.tan(math.radians(35.0)) ** 2 * 6 / 8  # area of the frustum's slice at z = 1
    assert fruxel_volumes(frustum).sum().item() * 8 * 6 == pytest.approx(base * (9.0**3 - 1.0**3) / 3)


def test_the_fruxel_that_holds_a_centre_is_its_own():
    frustum = Frustum(width=9, height=4, depth=6, z_near=0.5, z_far=3.0, fov_x_deg=50.0)
    index, inside = fruxel_index(fruxel_centres(frustum), frustum)
    k, j, i = torch.meshgrid(torch.arange(6), torch.arange(4), torch.arange(9), indexing="ij")
    assert bool(inside.all())
    assert torch.equal(index, torch.stack([k, j, i], -1))


def test_points_behind_the_camera_are_in_no_fruxel():
    frustum = FRUSTUM_PRESETS["shapenet"]
    _, inside = fruxel_index(torch.tensor([[0.0, 0.0, -5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 5.0]], dtype=torch.float64), frustum)
    assert inside.tolist() == [False, False, True]


def test_the_presets_are_those_of_the_paper():
    shapenet, street = FRUSTUM_PRESETS["shapenet"], FRUSTUM_PRESETS["semantic-voxels"]
    assert (shapenet.z_near, shapenet.z_far, shapenet.depth, shapenet.fov_x_deg) == (3, 10, 128, 60)
    assert (street.z_near, street.z_far, street.depth, street.fov_x_deg) == (2, 12, 128, 40)


@pytest.mark.parametrize("change", [{"z_near": -1.0}, {"z_near": 13.0}, {"fov_x_deg": 200.0}, {"depth": 0}, {"z_far": math.nan}])
def test_a_frustum_that_cannot_be_is_refused(change):
    with pytest.raises(DataError):
        Frustum(**({"width": 8, "height": 8, "depth": 8, "z_near": 2.0, "z_far": 12.0, "fov_x_deg": 40.0} | change))
