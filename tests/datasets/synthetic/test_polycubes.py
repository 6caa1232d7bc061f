"""Polycubes against quarter turns of sets: which are the same, which are mirror images, and what bounds them."""

import numpy as np
import pytest
from references.slow_polycubes import all_turned, mirror, shape

from voxcli.datasets.synthetic.polycubes import (
    LARGEST,
    SMALLEST,
    canonical,
    draw_chain,
    is_chiral,
    mirrored,
    normalised,
    rotations,
    same_up_to_rotation,
    surface,
)

L = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0]])
SCREW = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])


def drawn(count=30):
    return [draw_chain(np.random.default_rng(seed))[1] for seed in range(count)]


def test_the_rotations_are_24_turns_that_form_a_group():
    turns = rotations()
    assert turns.shape == (24, 3, 3) and np.array_equal(turns[0], np.eye(3))
    assert np.array_equal(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3, dtype=int), (24, 3, 3)))
    assert (np.rint(np.linalg.det(turns)) == 1).all()
    names = {turn.tobytes() for turn in turns}
    assert len(names) == 24 and all((a @ b).tobytes() in names for a in turns for b in turns)


def test_all_rotations_of_a_polycube_share_its_name_and_only_those():
    for cells in drawn():
        twin = all_turned(cells)
        ours = {shape(map(tuple, (cells @ turn.T).tolist())) for turn in rotations()}
        assert ours == twin and len(twin) in (12, 24)  # 12 where a half turn leaves it as it is
        assert len({canonical(np.array(sorted(one))) for one in twin}) == 1
        assert mirror(cells) not in twin and canonical(mirrored(cells)) != canonical(cells)


@pytest.mark.parametrize(("cells", "chiral"), [(L, False), (SCREW, True), (np.array([[0, 0, 0]]), False)])
def test_a_flat_polycube_is_its_mirror_image_and_a_screw_is_not(cells, chiral):
    assert is_chiral(cells) == chiral == (mirror(cells) not in all_turned(cells))
    assert same_up_to_rotation(cells, mirrored(cells)) != chiral and same_up_to_rotation(cells, mirrored(mirrored(cells)))


def test_names_tell_polycubes_apart_as_sets_do():
    some = drawn(25)
    for a in some:
        turned = all_turned(a)
        for b in some:
            assert same_up_to_rotation(a, b) == (shape(map(tuple, b.tolist())) in turned)


def test_chains_are_one_piece_of_cubes_that_touch_only_their_neighbours():
    for cells in drawn(60):
        assert SMALLEST <= len(cells) <= LARGEST == 10 and np.array_equal(cells, normalised(cells)) and (cells.min(0) == 0).all()
        assert len(np.unique(cells, axis=0)) == len(cells)
        apart = np.abs(cells[:, None] - cells).sum(-1)
        neighbours = (apart == 1).sum(1)
        assert (neighbours == 1).sum() == 2 and (neighbours == 2).sum() == len(cells) - 2  # two ends, else two neighbours
        assert (np.ptp(cells, axis=0) > 0).all()


def test_the_number_of_cubes_can_be_asked_for_and_all_are_drawn():
    assert {len(cells) for cells in drawn(80)} == set(range(SMALLEST, LARGEST + 1))
    assert all(len(draw_chain(np.random.default_rng(seed), 8)[1]) == 8 for seed in range(10))


def test_bending_an_arm_keeps_the_arms_and_their_right_angles():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        chain, cells = draw_chain(rng)
        bent = chain.bent(rng)
        assert np.array_equal(bent.steps, chain.steps)
        assert not (bent.directions[1:] * bent.directions[:-1]).any() and (np.abs(bent.directions).sum(1) == 1).all()
        assert bent.cells() is None or len(bent.cells()) == len(cells)


def test_the_surface_bounds_the_volume_of_the_cubes_and_touches_no_square_within():
    for cells in drawn(15):
        corners, normals = surface(cells)
        assert len(corners) == 6 * len(cells) - 2 * (len(cells) - 1)  # each joint hides two squares
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        assert np.array_equal(np.cross(b - a, c - b), normals)
        # Divergence theorem: a third of the sum of x . n over the squares of area 1 is the volume.
        assert np.einsum("qc,qc->", corners.mean(1), normals) / 3 == pytest.approx(len(cells))
