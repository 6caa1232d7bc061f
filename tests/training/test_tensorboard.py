"""TensorBoard, where it is installed, receives what the log says."""

import json

import pytest
from test_failures import write_recipe

from voxcli.training import train
from voxcli.training.journal import Journal


def test_the_board_holds_the_scalars_of_the_log_and_a_preview(street, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train("ssz", [street], run, write_recipe(tmp_path, 3))
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    for record in (r for r in records if r["event"] in ("step", "validation")):
        for key, value in record.items():
            if key != "step" and isinstance(value, (int, float)):
                [seen] = [s for s in board.Scalars(f"{record['event']}/{key}") if s.step == record["step"]]
                assert seen.value == pytest.approx(value, rel=1e-6), key
        for name, value in (record.get("iou") or {}).items():
            if value is not None:
                assert board.Scalars(f"validation/iou/{name}")[-1].value == pytest.approx(value, rel=1e-6)
    assert {"step/loss", "step/samples_per_second", "validation/mean_iou", "validation/iou/car"} <= set(board.Tags()["scalars"])
    assert [image.step for image in board.Images("preview")] == [3]


def test_steps_that_are_done_again_stand_on_the_board_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed = Journal(tmp_path, True, None)
    for step in (1, 2, 3):
        killed.write({"event": "step", "step": step, "loss": 1.0})
    killed.close()
    resumed = Journal(tmp_path, True, None)
    resumed.resume(1)
    resumed.write({"event": "step", "step": 2, "loss": 0.5})
    resumed.close()
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(s.step, s.value) for s in board.Scalars("step/loss")] == [(1, 1.0), (2, 0.5)]
