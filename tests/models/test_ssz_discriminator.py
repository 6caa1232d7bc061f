import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from references.pose_twins import assigned_by_hand, discriminator_by_concatenation, pose_term_written_out, realism_written_out
from refusals import refused

from voxcli.errors import DataError, ShapeError, UsageError
from voxcli.models.blocks.depthwise import depthwise_strided3d, depthwise_transposed3d
from voxcli.models.ssz.discriminator import Discriminator, DiscriminatorConfig
from voxcli.models.ssz.poses import (
    PoseTargets,
    assign,
    cell_centres,
    certificate_loss,
    object_centres,
    pose_loss,
    realism_loss,
    rotation_matrix,
)
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum

FRUSTUM = Frustum(width=32, height=16, depth=8, z_near=2.0, z_far=10.0, fov_x_deg=2 * math.degrees(math.atan(0.5)))  # x = +- z / 2
TINY = DiscriminatorConfig(widths=(6, 8), blocks=(1, 1))


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def some_poses(*places, height=0.0, q=(1.0, 0, 0, 0)):
    m = len(places)
    return Poses(
        np.ones(m, np.int64), np.array(places, np.float32).reshape(m, 3), np.tile(np.float32(q), (m, 1)),
        np.tile(np.float32([1, height, 1]), (m, 1)),
    )  # fmt: skip


def probabilities(batch, classes, shape, seed=0):
    return torch.softmax(random(batch, classes, *shape, seed=seed), 1)


# -- the network ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 2, 2, 2), (2, 3, 4, 2, 6)])
def test_strided_depthwise_agrees_with_pytorch_in_values_and_gradients(shape):
    x, w = random(*shape).requires_grad_(), random(shape[1], 1, 4, 4, 4, seed=1).requires_grad_()
    wanted, got = F.conv3d(x, w, stride=2, padding=1, groups=shape[1]), depthwise_strided3d(x, w)
    assert torch.allclose(wanted, got, atol=1e-12)
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, (x, w), cotangent), torch.autograd.grad(got, (x, w), cotangent), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_halving_is_the_adjoint_of_doubling():
    x, y, w = random(2, 3, 4, 6, 8), random(2, 3, 2, 3, 4, seed=1), random(3, 1, 4, 4, 4, seed=2)
    assert float((depthwise_strided3d(x, w) * y).sum()) == pytest.approx(float((x * depthwise_transposed3d(y, w)).sum()), rel=1e-12)
    with refused(ShapeError, "even", expected="2D 2H 2W", actual=[2, 3, 3, 6, 8]):
        depthwise_strided3d(x[:, :, :3], w)


@pytest.mark.parametrize("scale", [1, 2])
def test_the_discriminator_equals_one_that_concatenates_the_inflated_image(scale):
    torch.manual_seed(0)
    network = Discriminator(TINY, 4).double()
    fruxels = probabilities(2, 4, FRUSTUM.shape).requires_grad_()
    image = torch.rand(2, 3, 16 * scale, 32 * scale, dtype=torch.float64, requires_grad=True)
    got = network(image, fruxels, FRUSTUM)
    wanted = discriminator_by_concatenation(network, image, fruxels, FRUSTUM)
    cotangents = [torch.randn_like(each) for each in wanted]
    sides = []
    for each in ((got.t, got.q, got.r), wanted):
        total = sum((a * c).sum() for a, c in zip(each, cotangents, strict=True))
        sides.append(torch.autograd.grad(total, (image, fruxels)))
    for a, b in zip((got.t, got.q, got.r, *sides[0]), (*wanted, *sides[1]), strict=True):
        assert torch.allclose(a.double(), b.double(), atol=1e-4)  # the certificate is float32


def test_a_certificate_has_a_cell_for_every_stride_and_unit_quaternions():
    certificate = Discriminator(TINY, 4)(torch.rand(2, 3, 16, 32), probabilities(2, 4, FRUSTUM.shape).float(), FRUSTUM)
    assert certificate.t.shape == (2, 2, 4, 8, 3) and certificate.r.shape == (2, 2, 4, 8)
    assert torch.allclose(certificate.q.norm(dim=-1), torch.ones(2, 2, 4, 8), atol=1e-6)


def test_what_the_discriminator_says_of_a_volume_depends_on_no_other_volume():
    # No statistics of a batch, in any layer: in training as in use, a volume in company is judged as it is alone.
    network = Discriminator(DiscriminatorConfig(), 4)
    assert not any(True for _ in network.buffers())
    image, fruxels, frustum = torch.rand(3, 3, 16, 32), probabilities(3, 4, (16, 16, 32)).float(), replace(FRUSTUM, depth=16)
    with torch.no_grad():
        together, alone = (network(image[:k], fruxels[:k], frustum) for k in (3, 1))
        in_use = network.eval()(image[:1], fruxels[:1], frustum)
    for name in ("t", "q", "r"):
        assert torch.allclose(getattr(together, name)[:1], getattr(alone, name), atol=1e-5)
        assert torch.equal(getattr(in_use, name), getattr(alone, name))


def test_weights_of_a_discriminator_with_batch_normalisation_compute_the_same_without_it():
    torch.manual_seed(0)
    network = Discriminator(TINY, 4)
    older = {k: t.clone() for k, t in network.state_dict().items() if not k.endswith("project.conv.bias")}
    norms = []
    for level, width in enumerate(TINY.widths):
        norm = {key: torch.rand(width) + 0.5 for key in ("weight", "bias", "running_mean", "running_var")}
        norms.append({key: t.double() for key, t in norm.items()})
        older |= {f"levels.{level}.1.norm.{key}": t for key, t in {**norm, "num_batches_tracked": torch.tensor(7)}.items()}
    before = set(older)
    network.load_state_dict(older)
    assert set(older) == before  # what the caller holds stays as it was
    image, fruxels = torch.rand(2, 3, 16, 32, dtype=torch.float64), probabilities(2, 4, FRUSTUM.shape)
    twin = Discriminator(TINY, 4).double()
    twin.load_state_dict({k: t for k, t in older.items() if ".norm." not in k}, strict=False)
    for level in twin.levels:
        torch.nn.init.zeros_(level[1].project.conv.bias)
    wanted = discriminator_by_concatenation(twin, image, fruxels, FRUSTUM, norms)
    got = network.double()(image, fruxels, FRUSTUM)
    for a, b in zip((got.t, got.q, got.r), wanted, strict=True):
        assert torch.allclose(a.double(), b, atol=1e-5)
    # The same within a whole network, under a prefix.
    system = torch.nn.ModuleDict({"discriminator": Discriminator(TINY, 4)})
    system.load_state_dict({f"discriminator.{k}": t for k, t in older.items()})
    folded = system["discriminator"].double()(image, fruxels, FRUSTUM)
    assert torch.equal(folded.r, got.r)


def test_values_keep_their_spread_on_the_way_to_the_certificate():
    # Nothing normalises them: initialisation alone has to see to it, at the widths that are trained.
    torch.manual_seed(0)
    network, spreads = Discriminator(DiscriminatorConfig(), 10), []
    for level in network.levels:
        level.register_forward_hook(lambda module, inputs, output: spreads.append(float(output.std())))
    frustum = Frustum(32, 32, 32, 2.0, 12.0, 40.0)
    labels = torch.randint(0, 10, (2, 4, 4, 4)).repeat_interleave(8, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    with torch.no_grad():
        network(torch.rand(2, 3, 32, 32), F.one_hot(labels, 10).permute(0, 4, 1, 2, 3).float(), frustum)
    assert len(spreads) == 4 and all(0.3 < spread < 3 for spread in spreads)


def test_a_cell_sees_its_surroundings_and_nothing_far_away():
    # PatchGAN: no pooling over the whole volume.
    network = Discriminator(TINY, 4).eval()
    frustum = replace(FRUSTUM, depth=64)
    image, fruxels = torch.rand(1, 3, 16, 32), probabilities(1, 4, frustum.shape).float()
    changed = fruxels.clone()
    changed[:, :, :4] = changed[:, :, :4].roll(1, 1)
    with torch.inference_mode():
        a, b = (network(image, f, frustum).r for f in (fruxels, changed))
    assert not torch.equal(a[:, 0], b[:, 0])
    assert torch.equal(a[:, 8:], b[:, 8:])


def test_an_untrained_cell_points_near_its_own_centre():
    network = Discriminator(TINY, 4).eval()
    torch.nn.init.zeros_(network.head.conv.weight)
    certificate = network(torch.rand(1, 3, 16, 32), probabilities(1, 4, FRUSTUM.shape).float(), FRUSTUM)
    assert torch.allclose(certificate.t[0].double(), cell_centres(FRUSTUM, (2, 4, 8)), atol=1e-5)
    assert torch.equal(certificate.q[0, 0, 0, 0], torch.tensor([1.0, 0, 0, 0]))


def test_volumes_that_do_not_fit_the_cells_are_refused():
    network = Discriminator(TINY, 4)
    with refused(ShapeError, "cells", expected="4", actual="[1, 4, 6, 16, 32]"):
        network(torch.rand(1, 3, 16, 32), torch.rand(1, 4, 6, 16, 32), FRUSTUM)
    with refused(ShapeError, "cells", expected="4", actual="[1, 4, 8, 16, 32]"):
        network(torch.rand(1, 3, 15, 32), torch.rand(1, 4, 8, 16, 32), FRUSTUM)
    with refused(UsageError, "level", expected=4, actual=[1]):
        DiscriminatorConfig(blocks=(1,))


# -- poses in cells ---------------------------------------------------------------------------------------------------------------


def test_cells_by_hand():
    # x = +- z / 2: at z = 4 the image spans x in [-2, 2]. Eight columns of 0.5 m, four rows of 0.5 m, slices from 2 to 6 and 6 to 10.
    outside = (3.0, 0, 4), (0, 0, 1), (0, 0, 11)
    found = assign([some_poses((0.1, 0.1, 4.0), (-1.9, -0.9, 4.0), (2.4, 0.0, 9.9), *outside)], FRUSTUM, (2, 4, 8))
    rows = {tuple(c): t for c, t in zip(found.cells.tolist(), found.t.tolist(), strict=True)}
    assert set(rows) == {(0, 0, 2, 4), (0, 0, 0, 0), (0, 1, 2, 5)}
    assert rows[(0, 1, 2, 5)] == pytest.approx([2.4, 0, 9.9])


def test_the_centre_decides_not_the_point_on_the_ground():
    # 1.2 m tall, upside down in a frame with y down: q turns y up into y down by half a turn about x.
    poses = some_poses((0.0, 0.3, 4.0), height=1.2, q=(0, 1, 0, 0))
    assert object_centres(poses).tolist() == [pytest.approx([0, -0.3, 4.0], abs=1e-6)]
    assert assign([poses], FRUSTUM, (2, 4, 8)).cells.tolist() == [[0, 0, 1, 4]]


def test_the_nearest_object_keeps_a_cell_and_order_does_not_matter():
    far, near = (0.1, 0.1, 5.0), (0.1, 0.1, 4.5)
    for places in ((far, near), (near, far)):
        found = assign([some_poses(), some_poses(*places)], FRUSTUM, (2, 4, 8))
        assert found.cells.tolist() == [[1, 0, 2, 4]]
        assert found.t[0, 2] == 4.5


def test_assignment_agrees_with_a_search_over_all_cells():
    rng = np.random.default_rng(0)
    places = rng.uniform((-4, -2, 1), (4, 2, 11), (60, 3))
    found = assign([some_poses(*places)], FRUSTUM, (2, 4, 8))
    wanted = assigned_by_hand(places.astype(np.float32), (2, 4, 8))
    assert {tuple(c[1:]): t[2] for c, t in zip(found.cells.tolist(), found.t.tolist(), strict=True)} == pytest.approx(wanted)


def test_data_without_poses_is_named():
    with refused(DataError, "poses"):
        assign([None], FRUSTUM, (2, 4, 8))
    with refused(DataError, "aspect", expected="32:16", actual="4:4"):
        assign([some_poses()], FRUSTUM, (2, 4, 4))


def test_cells_without_an_object_carry_no_pose_term():
    network = Discriminator(TINY, 4)
    certificate = network(torch.rand(2, 3, 16, 32), probabilities(2, 4, FRUSTUM.shape).float(), FRUSTUM)
    nothing = assign([some_poses(), some_poses()], FRUSTUM, (2, 4, 8))
    assert certificate_loss(certificate, nothing, 1, 1).item() == 0
    one = assign([some_poses((0.1, 0.1, 4)), some_poses()], FRUSTUM, (2, 4, 8))
    (gradient,) = torch.autograd.grad(certificate_loss(certificate, one, 1, 1), certificate.t)
    moved = gradient.abs().sum(-1)
    assert moved[0, 0, 2, 4] > 0 and int((moved > 0).sum()) == 1


# -- "real" or "fake" ---------------------------------------------------------------------------------------------------------------


def instances_at(*cells):
    return PoseTargets(torch.tensor(cells, dtype=torch.int64).reshape(-1, 4), random(len(cells), 3), random(len(cells), 4))


CELLS = ((0, 0, 1, 3), (0, 1, 0, 0), (0, 1, 1, 2), (2, 0, 0, 5))  # three instances, none, one


@pytest.mark.parametrize("target", [1.0, 0.9, 0.0])
def test_realism_agrees_with_its_sum_written_out(target):
    r = 2 * random(3, 2, 2, 6)
    got = realism_loss(r, target, instances_at(*CELLS))
    assert float(got) == pytest.approx(realism_written_out(r.tolist(), target, CELLS), rel=1e-12)


def test_realism_by_hand():
    # D says 0.8 and 0.5 of the two instances of one sample; the other sample has none.
    r = torch.zeros(2, 1, 1, 2, dtype=torch.float64)
    r[0, 0, 0, 0] = math.log(0.8 / 0.2)
    both = instances_at((0, 0, 0, 0), (0, 0, 0, 1))
    assert float(realism_loss(r, 1.0, both)) == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2 / 2)
    assert float(realism_loss(r, 0.0, both)) == pytest.approx(-(math.log(0.2) + math.log(0.5)) / 2 / 2)


@pytest.mark.parametrize("truth", [instances_at(*CELLS), None])
def test_realism_passes_gradcheck(truth):
    assert torch.autograd.gradcheck(lambda r: realism_loss(r, 0.9, truth), random(3, 2, 2, 6).requires_grad_())


def test_only_cells_with_an_instance_are_judged_and_asking_all_cells_judges_all():
    r = random(3, 2, 2, 6).requires_grad_()
    (gradient,) = torch.autograd.grad(realism_loss(r, 1.0, instances_at(*CELLS)), r)
    assert {tuple(cell) for cell in gradient.nonzero().tolist()} == set(CELLS)
    (gradient,) = torch.autograd.grad(realism_loss(r, 1.0, None), r)
    assert bool((gradient != 0).all())


def test_every_sample_counts_alike_however_many_instances_it_has():
    # So halves of a batch, on two processes, give the mean of their losses.
    r = random(4, 2, 2, 6)
    cells = ((0, 0, 1, 3), (0, 1, 0, 0), (2, 0, 0, 5), (3, 1, 1, 1), (3, 0, 1, 1), (3, 0, 0, 0))
    halves = [realism_loss(r[k : k + 2], 1.0, instances_at(*((s - k, *cell) for s, *cell in cells if k <= s < k + 2))) for k in (0, 2)]
    assert float(realism_loss(r, 1.0, instances_at(*cells))) == pytest.approx(float(sum(halves)) / 2, rel=1e-12)


def test_scenes_without_an_object_are_neither_real_nor_fake():
    r = random(2, 2, 2, 6).requires_grad_()
    loss = realism_loss(r, 1.0, instances_at())
    assert loss.item() == 0
    assert torch.equal(torch.autograd.grad(loss, r)[0], torch.zeros_like(r))


# -- equation (3) -----------------------------------------------------------------------------------------------------------------


def test_the_pose_term_agrees_with_its_sum_written_out():
    t, q, t2, q2 = random(5, 3), random(5, 4, seed=1), random(5, 3, seed=2), random(5, 4, seed=3)
    wanted = pose_term_written_out(*(each.tolist() for each in (t2, q2, t, q)))
    assert float(pose_loss(t2, q2, t, q)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("extra", [0.0, 0.7])
def test_the_pose_term_passes_gradcheck(extra):
    t, q = random(3, 3), random(3, 4, seed=1)
    predicted = random(3, 3, seed=2).requires_grad_(), random(3, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: pose_loss(a, b, t, q, extra, extra), predicted)


def test_a_quaternion_and_its_negative_are_one_rotation():
    q = random(7, 4)
    assert torch.equal(rotation_matrix(q), rotation_matrix(-q))
    t, t2 = random(7, 3, seed=1), random(7, 3, seed=2)
    assert torch.equal(pose_loss(t2, q, t, q.roll(1, 0), 1, 1), pose_loss(t2, -q, t, -q.roll(1, 0), 1, 1))


def test_rotations_are_proper_and_turn_as_told():
    R = rotation_matrix(random(20, 4))
    assert torch.allclose(R @ R.mT, torch.eye(3, dtype=torch.float64).expand(20, 3, 3), atol=1e-12)
    assert torch.allclose(torch.linalg.det(R), torch.ones(20, dtype=torch.float64))
    half = math.sqrt(0.5)
    quarter_about_z = rotation_matrix(torch.tensor([half, 0, 0, half]))
    assert torch.allclose(quarter_about_z @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6)


def quaternion_product(a, b):
    w, x, y, z = a.unbind(-1)
    matrix = torch.stack([w, -x, -y, -z, x, w, -z, y, y, z, w, -x, z, -y, x, w], -1).unflatten(-1, (4, 4))
    return (matrix @ b[..., None])[..., 0]


def test_turning_the_result_of_both_poses_alike_changes_nothing():
    # R(p) R(q) t: the norm of a difference does not see a rotation that both share.
    t, q, t2, q2 = random(4, 3), random(4, 4, seed=1), random(4, 3, seed=2), random(4, 4, seed=3)
    p = random(1, 4, seed=4).expand(4, 4)
    before, after = pose_loss(t2, q2, t, q), pose_loss(t2, quaternion_product(p, q2), t, quaternion_product(p, q))
    assert float(before) == pytest.approx(float(after), rel=1e-12)


def test_the_true_pose_costs_nothing_and_equation_three_alone_cannot_tell_a_turned_one():
    t, q, p = random(4, 3), random(4, 4, seed=1), random(4, 4, seed=2)
    assert float(pose_loss(t, q, t, q, 1, 1)) == 0
    # t^ = R(q^)^T R(q) t: another pose with the same R t. Our two terms see it.
    turned = (rotation_matrix(p).mT @ rotation_matrix(q) @ t[..., None])[..., 0]
    assert float(pose_loss(turned, p, t, q)) == pytest.approx(0, abs=1e-20)
    assert float(pose_loss(turned, p, t, q, 0, 1)) > 1e-2
    assert float(pose_loss(turned, p, t, q, 1, 0)) > 1e-2


def test_a_mirrored_scene_has_mirrored_points():
    poses = some_poses((1.0, 2, 3), (-1, 0.5, 4), q=(0.5, 0.5, -0.5, 0.5))
    point, mirror = random(3), torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64))

    def in_camera(each, x):
        return (rotation_matrix(torch.from_numpy(each.rotations_wxyz).double()) @ x) + torch.from_numpy(each.translations)

    assert torch.allclose(in_camera(poses.mirrored(), mirror @ point), in_camera(poses, point) @ mirror, atol=1e-6)
