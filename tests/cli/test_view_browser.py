"""Pages of `view` in a real browser: colours, clicks, slices, two linked scenes, keys, touch, themes (pytest -m browser)."""

import json
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from example_files import box_mesh, cameras, depth_map, fruxel_grid, prediction

from voxcli import files
from voxcli.ops.viewer.differences import CATEGORIES
from voxcli.ops.viewer.page import PageItem, page_of
from voxcli.scene import PointCloud, VoxelGrid, class_colour

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens the page of one thing, or of two. At the end nothing was said on the console, and nothing asked for elsewhere."""

    def run(thing, truth=None, **how):
        page, _ = page_of(PageItem(thing, "a.npz"), None if truth is None else PageItem(truth, "b.npz"))
        (tmp_path / "page.html").write_text(page)
        chromium.open(tmp_path / "page.html", **how)
        return chromium

    yield run
    assert chromium.said == [] and all(url.startswith(("file://", "data:")) for url in chromium.asked)


def pixels(browser, colour):
    """How many pixels of the scene, below the buttons, have this colour, in any light from 0.5 to 1."""
    left, top, width, height = browser.ask("(() => { const r = document.getElementById('view').getBoundingClientRect();"
                                           "return [r.x, r.y, r.width, r.height].map(Math.round); })()")  # fmt: skip
    image = browser.screenshot()[top + 60 : top + height - 6, left + 6 : left + width - 6].astype(float)
    colour = np.array(colour, float)
    light = image @ colour / (colour @ colour)
    off = np.abs(image - light[..., None] * colour).max(-1)
    return int(((light > 0.5) & (light < 1.02) & (off < 4)).sum())


def row(name):
    return f"#legend button[data-name={json.dumps(name)}]"


def test_classes_have_their_colours_and_a_click_hides_one(opened):
    grid = files.read(EXAMPLES / "street" / "000007.npz")
    browser = opened(grid)
    names = ("truck", "bus", "tree", "ground")
    before = {name: pixels(browser, class_colour(name)) for name in names}
    assert min(before.values()) > 500, before
    browser.click(row("truck"))
    after = {name: pixels(browser, class_colour(name)) for name in names}
    assert after["truck"] == 0 and after["bus"] >= before["bus"] and after["ground"] > before["ground"]
    assert browser.ask(f"document.querySelector({json.dumps(row('truck'))}).ariaPressed") == "false"
    browser.click(row("truck"), shift=True)
    alone = {name: pixels(browser, class_colour(name)) for name in names}
    assert alone["truck"] >= before["truck"] and all(alone[name] < 0.02 * before[name] for name in names[1:])
    browser.click("#all")
    assert {name: pixels(browser, class_colour(name)) for name in names} == before


def test_slices_go_from_near_to_far_and_show_what_is_cut(opened):
    browser = opened(fruxel_grid())  # the car is in slices 5 to 7, the wall from 13 on
    browser.press("5")
    whole = pixels(browser, class_colour("car"))
    browser.press("]", times=6)
    cut = pixels(browser, class_colour("car"))
    assert 0.95 * whole < cut < 1.05 * whole, "the cut face is closed"
    assert browser.ask("document.getElementById('range').textContent") == "5.75 to 12"
    browser.press("]", times=2)
    assert pixels(browser, class_colour("car")) == 0 < pixels(browser, class_colour("building"))
    browser.ask("document.getElementById('to').focus()")
    browser.press("ArrowLeft", times=3)
    assert pixels(browser, class_colour("building")) == 0 < pixels(browser, class_colour("ground"))


def halves(browser):
    image = browser.screenshot()
    width = browser.ask("document.getElementById('view').clientWidth") // 2
    return image[150:700, :width], image[150:700, width : 2 * width]


def test_two_scenes_turn_together(opened):
    browser = opened(fruxel_grid(), fruxel_grid())
    first, second = halves(browser)
    assert np.array_equal(first, second) and len(np.unique(first.reshape(-1, 3), axis=0)) > 20
    browser.drag((250, 400), (330, 430))
    turned, also = halves(browser)
    assert np.array_equal(turned, also) and not np.array_equal(turned, first)
    assert browser.ask("document.querySelector('#scores b').textContent") == "1.000"


def test_hits_misses_and_false_alarms_have_their_colours(opened):
    browser = opened(prediction(), fruxel_grid())  # the car is one slice too far
    browser.click("#modes button:last-child")
    found = {name: pixels(browser, colour) for name, colour in CATEGORIES.items()}
    assert found["wrong class"] == 0 and min(found["hit"], found["miss"], found["false alarm"]) > 50, found
    browser.click("#categories button:nth-child(4)")
    assert pixels(browser, CATEGORIES["false alarm"]) == 0 < pixels(browser, CATEGORIES["miss"])
    browser.click("#modes button:first-child")
    assert pixels(browser, class_colour("car")) > 50


@pytest.mark.parametrize("key", ["1", "2", "3"])
def test_a_view_follows_the_window_and_has_all_in_sight(opened, key):
    browser = opened(fruxel_grid(), size=(1200, 300))
    browser.press(key)
    browser.resize((500, 900))
    browser.resize((800, 600))
    browser.settle()
    beyond = "(camera.updateMatrixWorld(), Math.max(...outline.map((v) => v.clone().project(camera)).map((v) => Math.abs(v.x))))"
    assert 0.3 < browser.ask(beyond) < 1


def test_a_scene_that_was_turned_stays_where_it_is(opened):
    browser = opened(fruxel_grid(), size=(1200, 600))
    browser.drag((250, 400), (330, 430))
    place = browser.ask("camera.position.toArray()")
    browser.resize((800, 600))
    browser.settle()
    assert browser.ask("camera.position.toArray()") == place


def test_two_scenes_lie_as_the_button_says(opened):
    browser = opened(fruxel_grid(), fruxel_grid(), size=(1200, 900))
    said = "document.querySelector('#modes button').textContent"
    assert browser.ask(said) == "one above the other"
    browser.resize((1280, 800))
    browser.settle()
    assert browser.ask(said) == "side by side" and browser.ask("document.querySelector('#modes button').ariaPressed") == "true"


@pytest.mark.parametrize("dark", [False, True])
def test_dark_and_light(opened, dark):
    browser = opened(fruxel_grid(), dark=dark)
    assert (browser.screenshot()[-5, 5].mean() < 60) == dark
    browser.click("#theme")
    assert (browser.screenshot()[-5, 5].mean() < 60) != dark


def test_a_keyboard_is_enough(opened):
    browser = opened(fruxel_grid())
    first = browser.screenshot()
    focused = "document.activeElement.dataset.name ?? ''"
    while browser.ask(focused) != "car":
        browser.press("Tab")
    browser.press(" ")
    assert pixels(browser, class_colour("car")) == 0
    browser.press("Enter")
    assert pixels(browser, class_colour("car")) > 50
    pictures = [first]
    for key, shift in (("ArrowLeft", False), ("ArrowUp", False), ("ArrowRight", True), ("+", False), ("4", False), ("t", False)):
        browser.press(key, shift)
        pictures.append(browser.screenshot())
        assert not np.array_equal(pictures[-1], pictures[-2]), key


def test_a_phone_shows_scene_and_legend_and_turns_by_touch(opened):
    browser = opened(fruxel_grid(), prediction(), size=(390, 844), touch=True)
    assert browser.ask("document.documentElement.scrollWidth") == 390
    bottom, top = (browser.ask(f"document.getElementById('{name}').getBoundingClientRect().{edge}")
                   for name, edge in (("stage", "bottom"), ("panel", "top")))  # fmt: skip
    assert bottom <= top + 0.5 and browser.ask(f"document.querySelector({json.dumps(row('car'))}).getBoundingClientRect().height") >= 24
    before = browser.screenshot()
    browser.swipe((200, 200), (120, 190))
    assert not np.array_equal(browser.screenshot()[100:400], before[100:400])


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_of_plots_is_dark_and_light_and_fits_a_phone(chromium, tmp_path, dark):
    from voxcli.ops.plots.charts import Series, Values, boxes, curves, pictures
    from voxcli.ops.plots.report import Report, page_of_report

    drawings = (curves("loss", [Series("a", "#d06a2b", [(0, 1), (9, 0)])], "step"), boxes("x", [Values("b", "#3f9a5c", range(9))], "iou"),
                pictures("previews", [("step 1", np.full((40, 600, 3), (10, 200, 30), np.uint8))]))  # fmt: skip
    (tmp_path / "page.html").write_text(page_of_report(Report("run", ("step 9 of 9",), drawings), {}))
    chromium.open(tmp_path / "page.html", dark=dark, size=(390, 844), touch=True)
    assert chromium.ask("document.documentElement.scrollWidth") == 390
    image = chromium.screenshot().reshape(-1, 3)
    assert (image[-1].mean() < 60) == dark
    assert all((np.abs(image.astype(int) - colour).max(1) < 3).sum() > 20 for colour in ((208, 106, 43), (63, 154, 92), (10, 200, 30)))
    chromium.click("#theme")
    assert (chromium.screenshot()[-1, -1].mean() < 60) != dark
    assert chromium.said == [] and all(url.startswith(("file://", "data:")) for url in chromium.asked)


def coloured_points():
    rng = np.random.default_rng(0)
    return PointCloud(rng.random((500, 3)), colors=np.full((500, 3), (200, 30, 30), np.uint8))


@pytest.mark.parametrize("made", [box_mesh, coloured_points, depth_map, lambda: VoxelGrid(occupancy=np.ones((4, 3, 2), bool)), cameras])
def test_other_things_are_drawn(opened, made):
    browser = opened(made())
    image = browser.screenshot()[100:700, 50:850].reshape(-1, 3).astype(int)
    assert (np.abs(image - image[0]).max(-1) > 20).mean() > 0.002
