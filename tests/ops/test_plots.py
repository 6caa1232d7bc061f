"""Plots of scores and trainings: marks stand where the numbers say, and every form of the records says the same."""

import csv
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from refusals import refused

from voxcli import files
from voxcli.errors import DataError, FileFormatError
from voxcli.metrics.records import make_record, summarise
from voxcli.ops.plots.charts import HUES, Series, Values, boxes, curves, histogram, pictures, ticks
from voxcli.ops.plots.drawing import Box, Dot, Drawing, Line, Shot, SubDrawing, Text, pixels, svg
from voxcli.ops.plots.report import Report, page_of_report, picture_of_report, sheet_of, svg_of
from voxcli.ops.plots.runs import read_run, report_of_runs, seconds_left
from voxcli.ops.plots.score_report import report_of_scores, strip_of
from voxcli.ops.plots.scores import format_of, read_records, read_results
from voxcli.provenance import sha256_file
from voxcli.scene import Frustum, FruxelGrid, Picture

SVG = "{http://www.w3.org/2000/svg}"


def of_kind(drawing, kind):
    return [mark for mark in drawing.marks if isinstance(mark, kind)]


def along(drawing, upward):
    """What the axis says of a coordinate: the line through two of its ticks."""
    shown = [mark for mark in of_kind(drawing, Text) if mark.size == 11 and mark.anchor == ("end" if upward else "middle")]
    places = [((mark.y - 4 if upward else mark.x), float(mark.text)) for mark in shown if mark.text.replace(".", "").isdecimal()]
    (a, low), (b, high) = places[0], places[-1]
    return lambda place: low + (place - a) / (b - a) * (high - low)


@pytest.mark.parametrize(("low", "high", "found"), [
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.31, 0.47, [0.35, 0.4, 0.45]), (0, 1000, [0, 200, 400, 600, 800, 1000]),
    (-1, 1, [-1, -0.5, 0, 0.5, 1]), (2, 2, [2]),
])  # fmt: skip
def test_ticks_are_round(low, high, found):
    assert ticks(low, high) == found


def test_points_of_a_curve_stand_at_their_numbers():
    points = [(10.0, 0.25), (20.0, 0.5), (40.0, 1.0)]
    drawing = curves("x", [Series("a", "#2864dc", points)], "step", share=True)
    across, up = along(drawing, False), along(drawing, True)
    assert [(across(dot.x), up(dot.y)) for dot in of_kind(drawing, Dot)] == [pytest.approx(point) for point in points]


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors():
    drawing = curves("x", [Series("a", "#2864dc", [(0, 0.01), (1, 0.1), (2, 1), (3, 10)])], "step", log=True)
    heights = [dot.y for dot in of_kind(drawing, Dot)]
    assert np.diff(heights) == pytest.approx([heights[1] - heights[0]] * 3) and heights[1] < heights[0]


def test_bars_count_all_numbers_and_a_line_marks_the_mean():
    values = [0.1, 0.12, 0.18, 0.5, 0.9]
    drawing = histogram("x", [Values("a", "#2864dc", values)], "iou")
    bars = of_kind(drawing, Box)
    counts = [int(bar.title.split()[1]) for bar in bars]
    assert sum(counts) == 5 and max(counts) == 3
    unit = bars[0].height / counts[0]
    assert [bar.height for bar in bars] == pytest.approx([count * unit for count in counts])
    mean = next(line for line in of_kind(drawing, Line) if line.colour == "ink")
    assert along(drawing, False)(mean.points[0][0]) == pytest.approx(0.36)
    assert len(of_kind(histogram("x", [Values("a", "#2864dc", [3.0, 3.0])], "x"), Box)) > 0


def test_a_box_is_from_quartile_to_quartile():
    few, many = Values("few", "#102030", [0.5, 0.7]), Values("many", "#2864dc", [k / 10 for k in range(1, 10)])
    drawing = boxes("x", [few, many], "iou")
    across = along(drawing, False)
    (box,) = of_kind(drawing, Box)
    assert (across(box.x), across(box.x + box.width)) == pytest.approx((0.3, 0.7))
    whisker, median = (line for line in of_kind(drawing, Line) if line.colour != "line")
    assert [across(x) for x, _ in whisker.points] == pytest.approx([0.1, 0.9]) and across(median.points[0][0]) == pytest.approx(0.5)
    assert [across(dot.x) for dot in of_kind(drawing, Dot)] == pytest.approx([0.5, 0.7])
    beyond = boxes("x", [Values("a", "#2864dc", [0.4, 0.5, 0.5, 0.5, 0.6, 0.99])], "iou")
    assert [along(beyond, False)(dot.x) for dot in of_kind(beyond, Dot)] == pytest.approx([0.99])


def test_a_drawing_is_the_same_as_svg_and_as_pixels():
    image = np.full((2, 4, 3), (10, 200, 30), np.uint8)
    marks = [Box(2, 2, 10, 6, "#2864dc", "a <box>"), Dot(30, 10, 5, "#c21a1d"), Line([(0, 30), (60, 30)], "ink", 2),
             SubDrawing(40, 0, Drawing(20, 20, "inner", [Shot(2, 2, 8, 4, image)])), Text(2, 38, 'na"me & \x1b', 9)]  # fmt: skip
    drawing = Drawing(60, 40, "a", marks)
    root = ElementTree.fromstring(svg(drawing))
    assert [child.tag for child in root] == [SVG + tag for tag in ("rect", "rect", "circle", "polyline", "g", "text")]
    shown = pixels(drawing)
    assert shown.shape == (40, 60, 3) and shown[0, 0].tolist() == [255, 255, 255]
    assert [shown[y, x].tolist() for y, x in ((5, 7), (10, 30), (4, 45))] == [[40, 100, 220], [194, 26, 29], [10, 200, 30]]
    assert pixels(drawing, 2).shape == (80, 120, 3)
    assert "var(--ink)" in svg(drawing, themed=True) and "var(" not in svg(drawing)


def test_a_sheet_has_charts_side_by_side_and_wide_ones_below():
    chart, wide = Drawing(560, 100, "a"), pictures("b", [("c", np.zeros((4, 8, 3), np.uint8))])
    report = Report("t", ("one", "two"), (chart, chart, wide))
    sheet = sheet_of(report)
    first, second, below = of_kind(sheet, SubDrawing)
    assert first.y == second.y and second.x >= 560 and below.y >= first.y + 100 and sheet.width == wide.width
    assert picture_of_report(report, 280).shape[1] == round(sheet.width / 2)
    assert json.loads(ElementTree.fromstring(svg_of(report, {"a": "<&"})).find(SVG + "metadata").text) == {"a": "<&"}
    page = page_of_report(Report("<script>x", (), ()), {"a": "</script>"})
    assert "<script>x" not in page and page.count("</script>") == 2


# -- scores ---------------------------------------------------------------------------------------------------------------------------


def iou_record(name, value, at=None, classes=None):
    parts = {"classes": classes} if classes else {}
    if at:
        names = ("thresholds", "precision", "recall")
        parts |= {name: {key: numbers[k] for key, numbers in at.items()} for k, name in enumerate(names)}
    params = {"classes": [*classes]} if classes else {"thresholds": [*(at or {})]}
    return make_record("iou", value, pred=f"pred/{name}.npz", gt=f"gt/{name}.npz", parts=parts, params=params)


def as_table(records, delimiter):
    text = io.StringIO()
    rows = []
    for record in records:
        row = {"name": "x", "metric": "iou", "preset": "", "pred": record["pred"], "gt": record["gt"], "iou": record["value"]}
        for part, values in record["parts"].items():
            row |= {key if part in ("classes", "thresholds") else f"{part}.{key}": value for key, value in values.items()}
        rows.append(row | {"params": json.dumps(record["params"]), "voxcli_version": "0", "pred_sha256": "", "gt_sha256": ""})
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def stored(folder, records, form):
    if form in ("csv", "tsv"):
        text = as_table(records, "," if form == "csv" else "\t")
    else:
        lines = "".join(json.dumps(record) + "\n" for record in [*records, summarise(records)])
        text = json.dumps(records, indent=1) if form == "json" else lines
    (folder / f"scores.{form}").write_text(text)
    return str(folder / f"scores.{form}")


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "tsv"])
def test_every_form_of_the_records_says_the_same(tmp_path, form):
    at = [{">=0.3": (0.2, 0.25, 0.9), ">=0.5": (0.4, 0.5, 0.6)}, {">=0.3": (0.4, 0.75, 0.7), ">=0.5": (0.2, 0.7, 0.2)}]
    records = [iou_record("car/a", 0.2, at[0]), iou_record("car/b", 0.4, at[1]), iou_record("bus/a", None), iou_record("bus/b", 0.9)]
    path = stored(tmp_path, records, form)
    assert format_of(path) == form
    (found,) = read_records(path, form)
    assert [(score.name, score.category, score.value) for score in found.scores] == [
        ("car/a", "car", 0.2), ("car/b", "car", 0.4), ("bus/a", "bus", None), ("bus/b", "bus", 0.9)]  # fmt: skip
    report = report_of_scores([found], "t")
    titles = [drawing.title for drawing in report.drawings]
    assert titles == ["all pairs", "categories", "precision over recall, a dot a threshold", "over the threshold"]
    dots = of_kind(report.drawings[2], Dot)
    across, up = along(report.drawings[2], False), along(report.drawings[2], True)
    assert [(across(dot.x), up(dot.y)) for dot in dots] == [pytest.approx((0.8, 0.5)), pytest.approx((0.4, 0.6))]
    assert report.facts == ("iou, mean 0.5 over 3 pairs, 1 undefined, higher is better",)
    assert report.lines[1:] == ("best: bus/b 0.9, car/b 0.4", "worst: car/a 0.2")


def test_classes_are_rows_and_of_distances_the_least_is_best(tmp_path):
    records = [iou_record(name, 0.5, classes={"car": value, "tree": None}) for name, value in (("a", 0.25), ("b", 0.75))]
    report = report_of_scores(read_records(stored(tmp_path, records, "jsonl"), "jsonl"), "t")
    drawing = report.drawings[1]
    assert drawing.title == "classes" and [along(drawing, False)(dot.x) for dot in of_kind(drawing, Dot)] == pytest.approx([0.25, 0.75])
    distances = [make_record("chamfer", value, pred=f"p/{name}.ply", gt=f"g/{name}.ply") for name, value in (("a", 3.0), ("b", 1.0))]
    report = report_of_scores(read_records(stored(tmp_path, distances, "json"), "json"), "t")
    assert report.lines[1:] == ("best: b 1", "worst: a 3") and "lower is better" in report.facts[0]


@pytest.mark.parametrize(("name", "text", "word"), [
    ("a.jsonl", '{"event": "step"}\n', "no metric records"), ("a.jsonl", "", "no metric records"), ("a.jsonl", "[1]\n{}\n", "object"),
    ("a.csv", "x,y\n1,2\n", "columns"), ("a.csv", "name,metric,pred,gt,params\na,iou,p\n", "length"), ("a.csv", b"\xff\xfe", "table"),
    ("a.json", '{"metric": 3}', "no metric records"),
])  # fmt: skip
def test_files_of_something_else_are_named(tmp_path, name, text, word):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with refused(FileFormatError, name) as caught:
        read_records(str(tmp_path / name), name.partition(".")[2])
    assert word in str(caught.value)


def test_odd_values_of_a_strangers_records_do_no_harm(tmp_path):
    strange = {"metric": "iou", "pred": 7, "gt": None, "parts": [1], "params": "x", "meta": {"inputs": [2]}}
    parts = {"classes": {"a": "b", "c": 0.2}, "precision": {"<<": 1, "<1e999": 1}, "recall": 3}
    odd = [*(strange | {"value": value} for value in ("a", True, 0.5, 1e308)), {"metric": "iou", "value": 0.1, "parts": parts}]
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(each) + "\n" for each in odd))
    (found,) = read_records(str(tmp_path / "odd.jsonl"), "jsonl")
    assert found.values == [0.5, 1e308, 0.1]
    assert len(svg_of(report_of_scores([found], "t"), {})) > 1000


def test_pictures_are_shown_of_files_as_they_were_scored(tmp_path):
    truth, guess = (FruxelGrid(np.full((4, 8, 8), k, np.uint8), Frustum(8, 8, 4, 2.0, 12.0, 60.0)) for k in (1, 2))
    files.write(tmp_path / "pred.npz", guess)
    files.write(tmp_path / "gt.npz", truth)
    files.write(tmp_path / "gt.png", Picture(np.zeros((8, 8, 3), np.uint8)))
    record = make_record("iou", 0.5, pred="pred.npz", gt="gt.npz") | {
        "meta": {"inputs": {name: sha256_file(tmp_path / name) for name in ("pred.npz", "gt.npz")}}}  # fmt: skip
    (found,) = read_records(stored(tmp_path, [record], "json"), "json")
    assert strip_of(found.scores[0], tmp_path).shape == (200, 600, 3)
    files.write(tmp_path / "gt.npz", guess, overwrite=True)
    assert strip_of(found.scores[0], tmp_path).shape == (200, 400, 3), "the truth is another one now, and so is its picture"
    (tmp_path / "pred.npz").unlink()
    assert strip_of(found.scores[0], tmp_path) is None


def test_classes_keep_their_order_and_methods_their_colour(tmp_path):
    found = []
    for method, person, far in (("ours", None, None), ("theirs", 0.3, 2.0)):
        records = [iou_record("a", 0.5, classes={"person": person, "car": 0.4}), make_record("chamfer", far, pred="p", gt="g")]
        path = tmp_path / f"{method}.json"
        path.write_text(json.dumps(records))
        found += read_records(str(path), "json")
    report = report_of_scores(found, "t")
    (classes,) = [drawing for drawing in report.drawings if drawing.title == "iou: classes"]
    assert [mark.text for mark in of_kind(classes, Text) if ", " in mark.text] == ["person, theirs", "car, ours", "car, theirs"]
    alone, both = ([d for d in report.drawings if d.title == f"{name}: all pairs"][0] for name in ("chamfer", "iou"))
    colours = [{mark.colour for mark in of_kind(drawing, Box)} for drawing in (alone, both)]
    assert len(colours[0] & colours[1]) >= 1 and HUES[1] in colours[0] and HUES[0] not in colours[0]
    assert any("over 1 pair," in fact for fact in report.facts)


def test_methods_of_a_folder_of_results_are_beside_each_other(tmp_path):
    for method, shift in (("ours", 0.2), ("theirs", 0.0)):
        (tmp_path / method).mkdir()
        (tmp_path / method / "run.json").write_text("{}")
        records = [{"iou": iou_record(f"{k}", k / 10 + shift)} if k else {} for k in range(4)]
        lines = [{"variant": "1", "name": f"{k}", "category": "car", "records": each} for k, each in enumerate(records)]
        (tmp_path / method / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = report_of_scores(read_results(str(tmp_path)), "t")
    assert [drawing.title for drawing in report.drawings] == ["all pairs", "methods", "categories"]
    across = along(report.drawings[1], False)
    assert [across(dot.x) for dot in of_kind(report.drawings[1], Dot)] == pytest.approx([0.3, 0.4, 0.5, 0.1, 0.2, 0.3])
    assert report.facts[0].startswith("ours: iou") and len(read_results(str(tmp_path / "ours"))) == 1


def test_names_without_folders_stay_whole_and_a_prediction_that_was_not_kept_has_no_column(tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/run.json").write_text("{}")
    truth = FruxelGrid(np.ones((4, 8, 8), np.uint8), Frustum(8, 8, 4, 2.0, 12.0, 60.0))
    lines = []
    for k in range(3):
        files.write(tmp_path / f"{k}.npz", truth)
        inputs = {str(tmp_path / f"{k}.npz"): sha256_file(tmp_path / f"{k}.npz")}
        record = make_record("iou", k / 4, pred="", gt=str(tmp_path / f"{k}.npz")) | {"meta": {"inputs": inputs}}
        lines.append(json.dumps({"variant": "", "name": f"00000{k}", "category": "", "records": {"iou": record}}))
    (tmp_path / "ours/samples.jsonl").write_text("\n".join(lines) + "\n")
    (found,) = read_results(str(tmp_path))
    assert [score.name for score in found.scores] == ["000000", "000001", "000002"]
    assert strip_of(found.scores[0], tmp_path).shape == (200, 200, 3)
    assert [drawing.title for drawing in report_of_scores([found], "t").drawings][-2:] == ["best: truth", "worst: truth"]


# -- trainings ------------------------------------------------------------------------------------------------------------------------

PLAN = [{"name": "coarse", "steps": 100, "batch": 4}, {"name": "full", "steps": 50, "batch": 2}]


def run_folder(folder, *more, plan=PLAN):
    rows = [{"event": "start", "samples": 7, **({"stages": plan} if plan else {})}]
    for step in (25, 50, 75):
        rows.append({"event": "step", "step": step, "stage": "coarse", "of": 100, "image": 2.0 / step, "latent": step / 9,
                     "loss": 1 + 2.0 / step, "rate": 0.1, "samples_per_second": 20.0})  # fmt: skip
        rows.append({"event": "validation", "step": step, "stage": "coarse", "score": step / 100, "mean_iou": step / 100, "seconds": 3.0,
                     "iou": {"car": 0.5, "tree": None if step == 25 else 0.1 * step / 25}})  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))
    return folder


def test_the_time_left_follows_from_speed_and_validations(tmp_path):
    run = read_run(str(run_folder(tmp_path / "run")))
    plan = [(stage["name"], stage["steps"], stage["batch"]) for stage in PLAN]
    assert seconds_left(run, plan, 75) == pytest.approx(25 * 4 / 20 + 50 * 2 / 20 + (150 - 75) / 25 * 3)
    facts = report_of_runs([run]).facts
    assert facts == ("step 75 of 150, stage coarse (1 of 2)", "best score 0.75 at step 75, last 0.75", "7 samples",
                     "not at work: the same call goes on, about 19 s left")  # fmt: skip
    ended = read_run(str(run_folder(tmp_path / "ended", {"event": "end", "step": 75}, plan=None)))
    assert report_of_runs([ended]).facts[-1] == "ended" and report_of_runs([ended]).facts[0] == "step 75 of 100, stage coarse"


def test_curves_of_a_training_are_its_losses_and_scores(tmp_path):
    folder = run_folder(tmp_path / "run")
    (folder / "previews").mkdir()
    files.write(folder / "previews" / "0000050.png", Picture(np.full((90, 300, 3), 200, np.uint8)))
    (folder / "previews" / "0000075.png").write_bytes(b"half a pict")
    report = report_of_runs([read_run(str(folder))])
    titles = [drawing.title for drawing in report.drawings]
    assert titles == ["loss", "validation: score", "terms of the loss", "validation: IoU by class", "previews"]
    assert along(report.drawings[1], True)(of_kind(report.drawings[1], Dot)[1].y) == pytest.approx(0.5)
    assert len(of_kind(report.drawings[3], Dot)) == 2, "a class of one number that changes, and none of those that never do"
    assert [shot.pixels.shape for shot in of_kind(report.drawings[4], Shot)] == [(90, 300, 3)]
    assert report.lines[0].startswith("run loss: 1.08 ")
    several = report_of_runs([read_run(str(folder)), read_run(str(run_folder(tmp_path / "other")))])
    assert [len({mark.colour for mark in of_kind(drawing, Dot)}) for drawing in several.drawings[:2]] == [2, 2]


def test_a_run_of_no_step_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"event": "start", "samples": 3}\n{"event": "st')
    with refused(DataError, "no step"):
        read_run(str(tmp_path))


def test_a_run_that_is_held_is_at_work(tmp_path):
    from voxcli.training.run_lock import is_held, locked

    folder = run_folder(tmp_path / "run")
    with locked(folder):
        assert is_held(folder)
        assert report_of_runs([read_run(str(folder), is_held(folder))]).facts[-1].startswith("at work, about 19 s left")
    assert not is_held(folder)
