"""Fruxel scenes of one place from several cameras, fused into voxels."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from references.slow_scenes import fused_scores
from refusals import refused

from voxcli.errors import DataError, VoxcliError
from voxcli.geometry.cameras import look_at
from voxcli.geometry.fusion import METHODS, fuse_views, views_box
from voxcli.geometry.regrid import fruxels_to_voxels, voxel_centres
from voxcli.geometry.scenes import fruxelize_scene, voxelize_scene
from voxcli.scene import Frustum, FruxelGrid, Labels, Mesh, SceneDescription, SceneObject

CLASSES = Labels(("air", "car", "tree"))
FRUSTUM = Frustum(width=24, height=20, depth=16, z_near=1.0, z_far=5.0, fov_x_deg=60.0)
BOX = ((11, 9, 10), np.array([-3.3, -0.9, -4.6]), np.array([0.5, 0.25, 0.5]))  # shape, origin, voxel_size: inside and out
AHEAD = np.diag([1.0, -1.0, -1.0, 1.0])


def view(labels=None, world_to_cam=AHEAD, probabilities=None):
    if labels is None:
        labels = np.zeros(FRUSTUM.shape, np.uint8) if probabilities is None else probabilities.argmax(0).astype(np.uint8)
    return FruxelGrid(labels, FRUSTUM, world_to_cam, CLASSES, probabilities)


def even(*shares):
    """A view that gives the same probabilities (of air, car, tree) everywhere."""
    return view(probabilities=np.broadcast_to(np.array(shares, np.float16)[:, None, None, None], (3, *FRUSTUM.shape)).copy())


def noisy(seed, soft):
    rng = np.random.default_rng(seed)
    camera = look_at(rng.normal(size=3) * [1, 0.5, 0.5] + [0, 0, 0.5], [0, 0, -3])
    if soft:
        return view(world_to_cam=camera, probabilities=rng.dirichlet([3, 1, 1], FRUSTUM.shape).transpose(3, 0, 1, 2).astype(np.float16))
    labels = rng.choice([0, 1, 2, 255], FRUSTUM.shape, p=[0.9, 0.05, 0.03, 0.02]).astype(np.uint8)
    return view(labels, camera)


def in_one_fruxel(views, method, k=0):
    """The class that views give to a voxel in the middle of slice k."""
    z = -(FRUSTUM.z_near + (k + 0.5) * FRUSTUM.slice_thickness)
    grid = fuse_views(views, (1, 1, 1), np.array([0.0, 0.0, z]), np.full(3, 0.01), method).grid
    return CLASSES.names[grid.labels[0, 0, 0]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("soft", [(False, False, False), (True, True, True), (True, False, True)], ids=["labels", "soft", "both"])
def test_every_voxel_is_what_the_formula_says(method, soft):
    views = [noisy(seed, each) for seed, each in enumerate(soft)]
    fused = fuse_views(views, *BOX, method, trust=0.8, behind=0.3).grid.labels
    checked = 0
    for index, point in zip(np.ndindex(*BOX[0]), voxel_centres(*BOX).reshape(-1, 3), strict=True):
        scores = fused_scores(views, point, method, 0.8, 0.3)
        if scores is None:
            assert fused[index] == 255
        else:
            first, second = np.sort(scores)[::-1][:2]
            if first - second > 1e-4:
                assert fused[index] == scores.argmax(), (index, scores)
                checked += 1
    assert checked > 200 and (fused == 255).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_views_changes_no_bit(method):
    views = [noisy(seed, soft) for seed, soft in enumerate((True, False, True, False))]
    first = fuse_views(views, *BOX, method)
    for order in list(itertools.permutations(range(4)))[1::5]:
        again = fuse_views([views[n] for n in order], *BOX, method)
        assert (again.grid.labels == first.grid.labels).all()
        assert again.agreement == tuple(first.agreement[n] for n in order) and again.unobserved == first.unobserved


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_views_decides_no_tie(method):
    for a, b, c in [(0.03, 0.09, 0.88), (0.24, 0.21, 0.54), (0.26, 0.07, 0.67)]:
        views = [even(a, b, c), even(b, c, a), even(c, a, b)]  # equal sums, but for the rounding of each order
        assert len({in_one_fruxel(list(order), method) for order in itertools.permutations(views)}) == 1


@pytest.mark.parametrize("method", METHODS)
def test_one_view_is_resampling_and_what_it_does_not_see_is_ignored(method):
    rng = np.random.default_rng(5)
    alone = view(rng.choice(3, FRUSTUM.shape).astype(np.uint8), look_at([0.5, 0.2, 0.3], [0, 0, -3]))
    fused = fuse_views([alone], *BOX, method)
    resampled = fruxels_to_voxels(replace(alone, labels=alone.labels + np.uint8(1)), *BOX).labels.astype(int) - 1
    assert (fused.grid.labels == np.where(resampled < 0, 255, resampled)).all()
    (agreement,) = fused.agreement
    assert agreement.agreeing == agreement.agreeing_occupied == 1.0
    assert agreement.seen == (resampled >= 0).sum() and fused.unobserved == pytest.approx((resampled < 0).mean())


def test_what_a_view_leaves_out_is_no_evidence_whatever_its_probabilities():
    sure = even(0.1, 0.8, 0.1)
    silent = replace(even(0, 0, 0), labels=np.full(FRUSTUM.shape, 255, np.uint8))
    for method in METHODS:
        both, alone = (fuse_views(views, *BOX, method) for views in ([sure, silent], [sure]))
        assert np.array_equal(both.grid.labels, alone.grid.labels)
        assert both.agreement[1].visible == 0
        assert (fuse_views([silent], *BOX, method).grid.labels == 255).all()


def test_what_no_view_sees_is_empty_where_nothing_can_be_ignored():
    nothing = replace(view(), classes=replace(CLASSES, ignore=None))
    assert not fuse_views([nothing], *BOX).grid.labels.any()
    assert (fuse_views([view()], *BOX).grid.labels == 255).any()


def test_contradicting_views_are_settled_by_their_odds():
    assert in_one_fruxel([even(0.1, 0.9, 0), even(0.7, 0.3, 0)], "bayes") == "car"  # odds 9 against 7/3
    assert in_one_fruxel([even(0.4, 0.6, 0), even(0.8, 0.2, 0)], "bayes") == "air"  # odds 1.5 against 4
    three = [even(0.45, 0.55, 0), even(0.45, 0.55, 0), even(0.8, 0.2, 0)]
    assert in_one_fruxel(three, "bayes") == "air"  # 1.22 * 1.22 against 4
    assert in_one_fruxel(three, "vote") == "car"  # two against one
    assert in_one_fruxel(three, "mean") == "air"  # 1.3 against 1.7
    five = [even(0.35, 0.65, 0)] * 3 + [even(0.9, 0.1, 0), even(0.9, 0.1, 0)]
    assert [in_one_fruxel(five, method) for method in METHODS] == ["air", "car", "air"]  # 1.86^3 = 6.4 against 81; 3:2; 2.15:2.85


def test_two_half_sure_views_are_surer_than_one():
    doubtful = [even(0.3, 0.4, 0.3), even(0.3, 0.4, 0.3), even(0.5, 0.3, 0.2)]
    assert in_one_fruxel(doubtful, "bayes") == "car"  # .3 .3 .5 = .045 against .4 .4 .3 = .048


def test_no_view_is_so_sure_that_others_cannot_outvote_it():
    certain = even(1.0, 0.0, 0.0)
    assert in_one_fruxel([certain, *[even(0.001, 0.999, 0)] * 2], "bayes") == "car"


def test_behind_its_first_surface_a_view_says_less():
    wall = np.zeros(FRUSTUM.shape, np.uint8)
    wall[4], wall[8] = 2, 1
    views = [view(wall), view(wall), view()]
    assert in_one_fruxel(views, "bayes", k=4) == "tree"  # two see the wall, one looks through it
    assert in_one_fruxel(views, "bayes", k=8) == "air"  # 2 * 0.25 against 1
    assert in_one_fruxel(views, "vote", k=8) == "air"
    shape, origin, size = (1, 1, 1), np.array([0.0, 0.0, -3.13]), np.full(3, 0.01)
    assert fuse_views(views, shape, origin, size, behind=1.0).grid.labels.item() == 1
    assert fuse_views(views[:2], shape, origin, size, behind=0.0).grid.labels.item() == 255
    assert fuse_views(views[:2], shape, origin, size, behind=0.1).grid.labels.item() == 1


def test_free_space_in_front_outweighs_a_guess_behind():
    guess = np.zeros(FRUSTUM.shape, np.uint8)
    guess[2:] = 1  # all behind the first surface is car
    side = look_at([3.0, 0, -2.5], [0, 0, -2.5])
    fused = fuse_views([view(guess), view(world_to_cam=side)], (1, 1, 1), np.array([0.0, 0, -2.6]), np.full(3, 0.01))
    assert fused.grid.labels.item() == 0
    assert fused.agreement[0].visible == 0 and fused.agreement[0].agreeing is None and fused.agreement[1].agreeing == 1.0


def test_equal_evidence_goes_to_the_lower_class():
    full = view(np.ones(FRUSTUM.shape, np.uint8))
    for method in METHODS:
        assert in_one_fruxel([full, view()], method) == "air"


def boxes():
    """Three boxes that stand apart, and the voxels that they fill exactly."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    cube = Mesh(corners, np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]))
    objects = [
        ((0.2, 0, 0.1), (1.0, 0.8, 0.6), "car"), ((-0.9, 0.1, 0.4), (0.4, 1.0, 0.4), "tree"), ((0.3, 0, -0.9), (0.5, 0.4, 0.5), "car"),
    ]  # fmt: skip
    placed = [SceneObject(cube, name, np.array(where), scale=np.array(size)) for where, size, name in objects]
    scene = SceneDescription(tuple(placed), CLASSES)
    grid = ((48, 32, 48), np.array([-1.5, -1.0, -1.5]), np.full(3, 0.0625))
    return scene, grid, voxelize_scene(scene, *grid).grid.labels


def iou(labels, truth):
    """Mean over the solid classes; ignored voxels count as empty."""
    shares = [((labels == c) & (truth == c)).sum() / ((labels == c) | (truth == c)).sum() for c in (1, 2)]
    return float(np.mean(shares))


EYES = [(0.4, 1.5, 4.0), (4.0, 1.2, 0.5), (-2.5, 2.0, -3.0)]


def seen_from(scene, eye):
    frustum = Frustum(width=80, height=64, depth=64, z_near=2.0, z_far=6.5, fov_x_deg=45.0)
    return fruxelize_scene(scene, frustum, look_at(eye, [0, 0, 0])).grid


def with_shadows(seen):
    """All that the camera cannot see is guessed to be more of what stands in front, as a network that copies its image into depth does."""
    labels = seen.labels.copy()
    for k in range(1, len(labels)):
        labels[k] = np.where(labels[k - 1] > 0, labels[k - 1], labels[k])
    return replace(seen, labels=labels)


@pytest.mark.parametrize("method", METHODS)
def test_two_views_are_closer_to_the_truth_than_either_alone(method):
    scene, grid, truth = boxes()
    views = [with_shadows(seen_from(scene, eye)) for eye in EYES[:2]]
    alone = [iou(fruxels_to_voxels(each, *grid).labels, truth) for each in views]
    together = iou(fuse_views(views, *grid, method).grid.labels, truth)
    assert together > max(alone) + 0.1


def test_a_third_view_helps_further():
    scene, grid, truth = boxes()
    views = [with_shadows(seen_from(scene, eye)) for eye in EYES]
    scores = [iou(fuse_views(views[:n], *grid).grid.labels, truth) for n in (1, 2, 3)]
    assert scores[0] < scores[1] < scores[2]


def test_views_that_see_parts_make_the_whole():
    scene, grid, truth = boxes()
    cut = replace(seen_from(scene, EYES[0]).frustum, fov_x_deg=14.0)
    views = [fruxelize_scene(scene, cut, look_at(eye, [x, 0, 0])).grid for eye, x in ((EYES[0], 0.6), (EYES[0], -0.6))]
    scores = [iou(fuse_views(each, *grid).grid.labels, truth) for each in ([views[0]], [views[1]], views)]
    assert scores[2] > max(scores[:2]) + 0.1


def test_agreement_is_low_for_the_view_that_is_wrong():
    scene, grid, _ = boxes()
    views = [seen_from(scene, eye) for eye in EYES]
    wrong = replace(views[2], labels=np.where(views[2].labels == 1, 2, views[2].labels).astype(np.uint8))
    fused = fuse_views([*views[:2], wrong, views[2]], *grid)
    shares = [each.agreeing_occupied for each in fused.agreement]
    assert shares[2] + 0.2 < min(shares[0], shares[1], shares[3])
    assert all(0 < each.visible < each.seen <= fused.grid.labels.size for each in fused.agreement)


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_fuses_alike(method):
    views = [noisy(seed, soft) for seed, soft in enumerate((True, False, True))]
    here, there = (fuse_views(views, *BOX, method, device=device) for device in ("cpu", "cuda"))
    assert (here.grid.labels == there.grid.labels).mean() > 0.999  # equal scores may part by rounding
    assert [each.seen for each in here.agreement] == [each.seen for each in there.agreement]


def test_the_box_of_views_holds_all_frusta():
    views = [view(), view(world_to_cam=look_at([3.0, 0, 0], [0, 0, -3]))]
    low, high = views_box(views)
    for each in views:
        one_low, one_high = views_box([each])
        assert (low <= one_low + 1e-9).all() and (high >= one_high - 1e-9).all()
    np.testing.assert_allclose(views_box(views[:1])[0][2], -5.0)


def test_views_that_cannot_be_fused_are_refused():
    other = replace(view(), classes=Labels(("air", "truck", "tree")))
    with refused(DataError, "classes", expected="air, car, tree", actual="air, truck, tree"):
        fuse_views([view(), other], *BOX)
    with refused(DataError, "no view"):
        fuse_views([], *BOX)
    with refused(DataError, "finite"):
        fuse_views([even(0.5, np.nan, 0.5)], *BOX)
    with refused(VoxcliError, "'bayess'", hint="'bayes'"):
        fuse_views([view()], *BOX, "bayess")
    for wrong in ({"trust": 0.2}, {"trust": 1.0}, {"behind": -0.1}, {"behind": 1.5}):
        with refused(DataError, "trust"):
            fuse_views([view()], *BOX, **wrong)
