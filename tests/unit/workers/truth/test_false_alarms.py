"""What is told of cameras at made-up places, rightly or for nothing; `mien bench truth` tries far more."""

import pytest

from models.staged.camera_scenes import HAPPENINGS, Happening
from workers.truth.false_alarms import told_of, trials


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda one: one.name)
def test_what_happens_to_a_camera_is_told_and_what_is_harmless_is_not(happening: Happening) -> None:
    assert told_of(happening, 13, step_s=5.0) == {happening.state} - {"ok"}


def test_they_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "workers.truth.false_alarms.told_of", lambda _, number, __: {"dark"} if number else set()
    )

    by_name = {trial.happening.name: trial for trial in trials([0, 1])}

    assert (by_name["no light"].right, by_name["no light"].told) == (1, {"dark": 1})
    assert (by_name["calm"].right, by_name["calm"].cameras) == (1, 2)
