"""The mask head: where its pictures and masks come from, what its layers see, and that masks lie where objects are."""

import numpy as np
import pytest
import torch
from references.slow_cutting import plain_alpha as slow_alpha
from refusals import refused
from small_networks import SMALL

from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.objects.dataset import ObjectsConfig, ObjectsGenerator
from voxcli.errors import DataError, UsageError
from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.cutout.batches import TRUNCATED, MaskedPictures, MaskReader, _random_crop, collate, resized_crop
from voxcli.models.cutout.inference import ObjectCutter
from voxcli.models.cutout.network import CutOut, CutOutConfig
from voxcli.models.cutout.stages import TASK
from voxcli.models.object_options import ObjectOptions
from voxcli.ops.cutting import Cut, cut_out, hides, mask_head, mask_problems, with_mask, without_small_pieces
from voxcli.ops.plain_background import plain_alpha
from voxcli.scene import Picture
from voxcli.training import train
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("masks")
    for name, backgrounds in (("photo", "photo"), ("plain", "plain")):
        write_dataset(out / name, 2, ObjectsGenerator(1, ObjectsConfig(("chair", "car"), 3, backgrounds=backgrounds)))
    return out


def draws(seed):
    return Draws(np.random.default_rng(seed), np.random.default_rng(seed))


def told(mask):
    """A picture whose colour tells where its mask is."""
    grey = np.where(mask, 230, 20).astype(np.uint8)
    return np.stack([grey, grey, grey, 255 * mask.astype(np.uint8)], -1)


class Fixed(MaskedPictures):
    """Pictures in memory."""

    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def name(self, index):
        return str(index)

    def picture(self, index):
        return self.pictures[index]


def blob(seed=0, height=90, width=120):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    cy, cx = rng.uniform(0.35, 0.65, 2) * (height, width)
    return ((y - cy) / 20) ** 2 + ((x - cx) / 31) ** 2 < 1


# -- data -------------------------------------------------------------------------------------------------------------------------------


def test_every_view_is_a_sample_and_its_alpha_the_mask(folders):
    data = MaskedPictures([folders / "photo", folders / "plain"], {})
    assert len(data) == 12 and data.name(1).endswith("/01") and data.name(0).startswith("photo/")
    assert data.picture(0).shape == (224, 224, 4) and data.picture(6).shape == (137, 137, 4)
    assert len(MaskedPictures([folders / "photo"], {"split": "train", "categories": ["car"]})) == 3
    with refused(DataError, "no folders"):
        MaskedPictures([], {})
    with refused(DataError, "no pictures of these categories", actual="val"):
        MaskedPictures([folders / "photo"], {"split": "val"})


def test_picture_and_mask_stay_together_however_a_square_is_cut():
    read = MaskReader(Fixed([told(blob(k)) for k in range(4)]), 64, Augmentation(flip=True))
    for seed in range(24):
        image, mask, _ = read(seed % 4, draws(seed))
        assert image.shape == (64, 64, 3) and mask.shape == (64, 64) and mask.any()
        assert ((image[..., 0] > 125) == mask).mean() > 0.97
    image, mask, name = read(1, None)
    centre = blob(1)[:, 15:105]  # the middle square, as large as fits
    small = resized_crop(told(centre), (0, 0, 90, 90), 64)[..., 3] > 127
    assert name == "1" and np.array_equal(mask, small) and np.array_equal(image, read(1, None)[0])


def test_squares_hold_objects_whole_but_for_some():
    mask, rng = blob(), np.random.default_rng(0)
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    boxes = np.array([_random_crop(mask, rng) for _ in range(400)])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 120).all() and (boxes[:, 3] <= 90).all()
    np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    whole = (boxes[:, :2] <= (columns[0], rows[0])).all(1) & (boxes[:, 2:] >= (columns[-1] + 1, rows[-1] + 1)).all(1)
    assert 1 - TRUNCATED - 0.05 < whole.mean() < 1
    assert np.ptp(boxes[:, 2] - boxes[:, 0]) > 20


def test_renderings_on_nothing_get_a_background_of_one_colour(folders):
    data = MaskedPictures([folders / "plain"], {})
    colours = set()
    for seed in range(6):
        image, mask, _ = MaskReader(data, 96, Augmentation())(seed, draws(seed))
        rim = np.concatenate([image[0][~mask[0]], image[-1][~mask[-1]]])
        colour = np.median(rim, axis=0)
        assert len(rim) > 100 and (rim == colour).all(1).mean() > 0.9  # the others are an object's soft rim
        colours.add(tuple(colour))
    assert len(colours) > 3


# -- network ----------------------------------------------------------------------------------------------------------------------------


def redness(side=64):
    """A mask head that answers how red each pixel of the picture is: its last layers pass on one channel of the picture alone."""
    network = CutOut(CutOutConfig(side=side, pretrained=False, coarse=8, fine=(8, 8, 8, 4))).eval()
    with torch.no_grad():
        for parameter in network.smooth1.parameters():
            parameter.zero_()
        for k in range(4):
            network.smooth1[0].weight[k, 8 + k, 1, 1] = 1.0  # the four pixels' reds, after eight features
        network.smooth1[1].weight.fill_(1.0)
        network.mask.weight.copy_(20 * torch.eye(4)[:, :, None, None])
        network.mask.bias.fill_(-10.0)
    return network


def cutter(side=64):
    return ObjectCutter(redness(side), "objects", torch.device("cpu"), torch.float32)


def test_the_last_layer_tells_each_pixel_of_the_picture():
    picture = torch.rand(2, 3, 64, 64)
    found = redness()(picture)
    assert found.shape == (2, 64, 64)
    torch.testing.assert_close(found, 20 * picture[:, 0] - 10, atol=0.02, rtol=0)  # the norm's epsilon


def test_wrong_sizes_are_refused():
    with refused(UsageError, "another size", actual=100):
        CutOutConfig(side=100)
    with refused(UsageError, "another size", actual=32):
        redness()(torch.rand(1, 3, 32, 32))
    with refused(UsageError, "by a rank", actual=0):
        CutOutConfig(rank=0)
    with refused(UsageError, "five resolutions"):
        CutOutConfig(fine=(8, 8))


def red_box(height, width, box):
    rgb = np.full((height, width, 3), 40, np.uint8)
    left, top, right, bottom = box
    rgb[top:bottom, left:right, 0] = 255
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return rgb, mask


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(64, 64, (20, 10, 50, 40)), (300, 200, (30, 200, 150, 290)), (200, 640, (500, 60, 560, 110)), (90, 400, (0, 0, 120, 90)),
     (1000, 700, (300, 480, 380, 600)), (41, 33, (5, 5, 30, 30))],
)  # fmt: skip
def test_masks_lie_where_the_object_is_in_pictures_of_any_shape(height, width, box):
    rgb, mask = red_box(height, width, box)
    found = cutter().mask(rgb)
    assert found.shape == (height, width) and found.dtype == np.float32
    both, any_ = ((found > 0.5) & mask).sum(), ((found > 0.5) | mask).sum()
    assert both / any_ > 0.93


def test_a_small_object_is_looked_at_twice_and_its_outline_is_finer():
    rgb, mask = red_box(640, 640, (300, 310, 371, 391))
    network = cutter()
    assert (network._of_box(rgb, (0, 0, 640, 640)) > 0.5).sum() != mask.sum()  # 10 pixels of the picture are one of the network
    assert abs(int((network.mask(rgb) > 0.5).sum()) - int(mask.sum())) < 0.03 * mask.sum()
    nothing = cutter().mask(np.zeros((80, 60, 3), np.uint8))
    assert nothing.shape == (80, 60) and nothing.max() < 0.5


def test_a_pointwise_convolution_changes_by_low_rank_and_not_at_first():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Conv2d(6, 9, 1, bias=False), torch.nn.Conv2d(9, 9, 3, groups=9, bias=False))
    x, expected = torch.rand(2, 6, 5, 4), plain[0].weight.clone()
    before = plain[0](x)
    adapt_pointwise(plain, 2)
    assert type(plain[1]) is torch.nn.Conv2d and set(dict(plain.named_parameters())) == {"0.down", "0.up", "1.weight"}
    torch.testing.assert_close(plain[0](x), before)
    with torch.no_grad():
        plain[0].up.normal_()
    change = plain[0].up @ plain[0].down
    assert torch.linalg.matrix_rank(change) == 2 and torch.equal(plain.state_dict()["0.weight"], expected)
    slow = before + torch.einsum("or,ri,bihw->bohw", plain[0].up, plain[0].down, x)
    torch.testing.assert_close(plain[0](x), slow)


# -- training ---------------------------------------------------------------------------------------------------------------------------


def recipe(**stage):
    given = {"steps": 2, "batch": 2, "settings": {"side": 64}, **stage}
    return load_recipe("cutout", {
        "network": {"side": 64, "pretrained": False, "rank": 2, "coarse": 8, "fine": [8, 8, 8, 8]}, "average": None,
        "stages": {"small": given, "full": given | {"settings": {}}}, "validation": {"every": 2, "samples": 2, "pictures": 1},
        "computation": {"precision": "float32"},
    })  # fmt: skip


def test_a_training_leaves_most_of_the_encoder_as_it_was_and_its_weights_cut_objects_out(folders, tmp_path):
    train("objects", [folders / "photo"], tmp_path / "run", recipe(), device="cpu")
    made = ObjectCutter.from_weights(tmp_path / "run" / "weights.safetensors", "cpu")
    torch.manual_seed(0)
    before = TASK.build(made.network.config).encoder.state_dict()
    changed = set()
    for name, tensor in made.network.encoder.state_dict().items():
        if not torch.equal(tensor, before[name].half().float() if tensor.is_floating_point() else before[name]):
            changed.add(name)
    learns = {name for name, _ in made.network.encoder.named_parameters()} - {"stem.weight"}
    assert changed <= learns and {name for name in learns if name.endswith((".up", "depthwise.weight"))} <= changed
    assert made.mask(np.zeros((50, 70, 3), np.uint8)).shape == (50, 70)
    assert (tmp_path / "run" / "previews").is_dir()


def test_steps_lower_the_loss_of_a_batch():
    torch.manual_seed(0)
    network = SMALL["objects"].network("objects").train()
    read = MaskReader(Fixed([told(blob(k)) for k in range(4)]), 64, Augmentation())
    batch = collate([read(k, None) for k in range(4)])
    assert batch.images.shape == (4, 3, 64, 64) and batch.masks.dtype == torch.bool
    optimiser = torch.optim.Adam([p for name, p in network.named_parameters() if not name.startswith("encoder")], 0.01)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(batch.images), batch.masks.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_wrong_stages_are_refused(folders):
    data = MaskedPictures([folders / "photo"], {})
    for change, words in (({"losses": {"likelyhood": 1}}, "likelyhood"), ({"settings": {"side": 100}}, "another size"),
                          ({"scales": {"half": 1}}, "one scale")):  # fmt: skip
        with refused(UsageError, words):
            TASK.check_stage(recipe(**change).stages[0], CutOutConfig(side=64), data)


# -- cutting out ------------------------------------------------------------------------------------------------------------------------


def on_colour(colour=(250, 248, 251), noise=2, height=48, width=60):
    """A ring with a hole and a spot of the background's colour, before one colour."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    away = np.hypot(y - height / 2, x - width / 2)
    ring = (away < 20) & (away > 8)
    rgb = np.clip(np.array(colour) + rng.integers(-noise, noise + 1, (height, width, 3)), 0, 255).astype(np.uint8)
    rgb[ring] = (90, 60, 30)
    spot = ring.copy()
    spot[8, 30] = False  # one pixel of the rim's colour within it
    rgb[10, 30] = colour
    return rgb, ring


def test_a_plain_background_is_taken_away_and_a_hole_shows_it_but_a_spot_does_not():
    rgb, ring = on_colour()
    alpha = plain_alpha(rgb)
    assert ((alpha > 127) == ring).all() and alpha[10, 30] == 255 and alpha[24, 30] == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_fast_way_is_the_slow_way(seed):
    rng = np.random.default_rng(seed)
    rgb, _ = on_colour(rng.integers(20, 236, 3), int(rng.integers(1, 4)), 40 + seed, 52)
    rgb[rng.integers(5, 35, 30), rng.integers(5, 45, 30)] = rng.integers(0, 256, (30, 3))
    assert np.array_equal(plain_alpha(rgb), slow_alpha(rgb))


def test_other_backgrounds_are_not_plain():
    busy = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    ramp = np.repeat(np.linspace(90, 200, 50).astype(np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    even = np.full((40, 50, 3), 200, np.uint8)
    assert plain_alpha(busy) is None and plain_alpha(ramp) is None and plain_alpha(even) is None


@pytest.fixture
def red_head(monkeypatch):
    """The mask head is one that finds what is red."""
    from voxcli.ops import cutting

    monkeypatch.setattr(cutting, "mask_head", lambda device, weights=None: cutting.MaskHead(cutter(), "1" * 64))
    monkeypatch.setattr(cutting, "has_mask_head", lambda: True)


def busy(height=120, width=150, box=(40, 30, 100, 90)):
    rgb, mask = red_box(height, width, box)
    rgb[..., 1:] = np.random.default_rng(1).integers(0, 256, (height, width, 2))
    return rgb, mask


def test_what_has_alpha_or_is_not_to_be_cut_stays_as_it_is(red_head):
    rgb, mask = busy()
    own = Picture(rgb, 255 * mask.astype(np.uint8))
    opaque = Picture(rgb, np.full(mask.shape, 255, np.uint8))
    assert cut_out(own).picture is own and cut_out(own).meta == {} and hides(own) and not hides(opaque)
    assert cut_out(Picture(rgb), "none").picture.alpha is None
    for cut in (cut_out(Picture(rgb)), cut_out(opaque, "auto"), cut_out(Picture(rgb.astype(np.uint16) * 257))):
        alpha = cut.picture.alpha
        assert cut.facts["by"] == "objects" and cut.facts["weights"] == "1" * 64 and cut.facts["doubts"] == []
        assert ((alpha > 127) == mask).mean() > 0.98 and np.array_equal(cut.picture.rgb, rgb)
        assert cut.facts["share"] == pytest.approx(mask.mean(), abs=0.02)
    ring, _ = on_colour()
    assert cut_out(Picture(ring)).facts["by"] == "background"


def test_without_weights_the_picture_is_taken_whole_and_that_is_said(monkeypatch):
    from voxcli.ops import cutting

    monkeypatch.setattr(cutting, "has_mask_head", lambda: False)
    picture = Picture(busy()[0])
    with pytest.warns(UserWarning, match="taken whole"):
        cut = cut_out(picture)
    assert cut.picture is picture and cut.meta == {}
    mask_head.cache_clear()


def test_the_frame_is_a_square_about_the_object_and_keeps_its_pixels(red_head):
    rgb, mask = busy(box=(0, 30, 60, 70))  # at the left border
    cut = cut_out(Picture(rgb)).framed()
    left, top, right, bottom = cut.facts["part"]
    side = cut.picture.rgb.shape[0]
    assert cut.picture.rgb.shape == (side, side, 3) and (right - left, bottom - top) == (side, side) and left < 0
    assert side == pytest.approx(1.2 * 60, abs=3) and (left + right) / 2 == pytest.approx(30, abs=2)
    assert (cut.picture.alpha > 127).sum() == (cut_out(Picture(rgb)).picture.alpha > 127).sum()
    assert not cut.picture.alpha[:, :-left].any()
    np.testing.assert_array_equal(cut.picture.rgb[:, -left:], rgb[top:bottom, :right])
    untouched = Cut(Picture(rgb))
    assert untouched.framed() is untouched


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 150, 100), "touches 3 borders"),
        ((0, 0, 150, 120), "touches 4 borders"),
        ((0, 40, 60, 90), None),
        ((10, 10, 12, 12), "is empty"),
    ],
)
def test_masks_that_look_wrong(box, said):
    _, mask = red_box(120, 150, box)
    found = mask_problems(255 * mask.astype(np.uint8))
    assert found == [] if said is None else said in found[0]


def test_many_pieces_look_wrong_and_crumbs_are_taken_away():
    mask = np.zeros((120, 150), np.uint8)
    for k in range(4):
        mask[20:60, 10 + 35 * k : 30 + 35 * k] = 255
    assert mask_problems(mask) == ["is in 4 pieces"]
    mask[100:102, 20:22] = 255
    mask[99, 20] = 90  # its soft rim
    cleaned = without_small_pieces(mask)
    assert not cleaned[95:].any() and np.array_equal(cleaned[:90], mask[:90])
    assert np.array_equal(without_small_pieces(cleaned), cleaned)


def test_a_mask_that_is_given_becomes_alpha_and_a_wrong_one_is_refused():
    rgb, mask = busy()
    white = Picture(np.repeat(255 * mask[..., None].astype(np.uint8), 3, 2))
    cut = Picture(rgb, 255 * mask.astype(np.uint8))
    for given in (white, cut, Picture(white.rgb.astype(np.uint16) * 257)):
        assert np.array_equal(with_mask(Picture(rgb), given, "m.png").alpha, 255 * mask)
    with refused(DataError, "'m.png'", expected="150x120", actual="60x48"):
        with_mask(Picture(rgb), Picture(on_colour()[0]), "m.png")
    with refused(DataError, "black"):
        with_mask(Picture(rgb), Picture(np.zeros_like(rgb)), "m.png")


def test_what_is_neither_a_way_nor_a_file_is_no_way_to_cut(tmp_path):
    with refused(UsageError, "'nope'", expected="auto, none, or the path of a mask"):
        ObjectOptions(cut="nope")
    (tmp_path / "masks").mkdir()
    assert ObjectOptions(cut=str(tmp_path / "masks")).mask_file == str(tmp_path / "masks")
    assert ObjectOptions(cut="none").mask_file is ObjectOptions().mask_file is None
