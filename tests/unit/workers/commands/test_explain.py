"""`mien explain` on real pictures: the events of the stream, a drawing, and clear words when it cannot."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from skimage import data

from models.emotion.classifier import Classifier
from models.emotion.operating_points import OperatingPoint
from models.faces.pictures import read_picture
from streams.errors import BadPicture, OutputFailed, SettingsInvalid, SourceNotFound
from streams.settings import Settings
from workers.commands import explain


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "portrait.png"
    Image.fromarray(data.astronaut()[0:256, 100:400]).save(path)
    return path


def test_a_smile_is_explained_by_the_mouth_and_drawn(portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "explained.png"

    (event,) = explain.run(Settings(), portrait, out)

    why = event.explanation
    assert event.emotion == "happiness"
    assert max(why.regions, key=why.regions.__getitem__) == "mouth"
    assert sum(why.attributions) == pytest.approx(why.score_change, abs=1e-3)
    assert "Lip corners pulled up" in why.text
    assert 12 in [action.au for action in why.actions]
    drawn = read_picture(out, max_pixels=10_000_000)
    assert drawn.shape[1] >= 300
    orange = (drawn[..., 0] > 230) & (drawn[..., 1] > 90) & (drawn[..., 1] < 130) & (drawn[..., 2] < 60)
    assert orange.sum() > 100  # dots that speak for it


def test_what_is_shown_names_the_face_and_its_reasons(portrait: Path) -> None:
    events = explain.run(Settings(), portrait, None)
    shown = io.StringIO()
    explain.show(events, Console(file=shown, width=200))

    assert "Face 1: Happiness" in shown.getvalue()
    assert "Explained by mouth" in shown.getvalue()


def test_no_emotion_is_named_of_a_mouth_outside_the_picture(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:123]).save(tmp_path / "half.png")

    (event,) = explain.run(Settings(), tmp_path / "half.png", None)

    assert event.abstained == "partial-face"


@pytest.mark.parametrize("tilt_deg", [-60, 60])
def test_a_tilted_smile_is_a_smile(tilt_deg: int, tmp_path: Path) -> None:
    turned = Image.fromarray(data.astronaut()).rotate(tilt_deg, Image.Resampling.BICUBIC, center=(226, 123))
    turned.save(tmp_path / "turned.png")

    (event,) = explain.run(Settings(), tmp_path / "turned.png", None)

    assert event.emotion == "happiness"


def test_an_unsure_answer_says_so(portrait: Path) -> None:
    (event,) = explain.run(Settings(min_inter_ocular_px=10_000), portrait, None)

    assert event.emotion is None
    assert explain.headline(event).startswith("Not sure (small-face): happiness ")


def test_the_operating_point_is_the_one_that_was_chosen(
    portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = Classifier.load()
    surprised = OperatingPoint(np.array([0, 0, 50, 0, 0, 0, 0, 0], np.float32), 0.5)
    points = shipped.operating_points | {"balanced": surprised}
    monkeypatch.setattr(
        explain.model_loading, "load_classifier", lambda _settings: replace(shipped, operating_points=points)
    )

    said = {
        name: explain.run(Settings(operating_point=name), portrait, None)[0].emotion
        for name in ("accurate", "balanced")
    }
    assert said == {"accurate": "happiness", "balanced": "surprise"}
    with pytest.raises(SettingsInvalid, match="no such operating point; it has accurate, balanced"):
        explain.run(Settings(operating_point="brave"), portrait, None)


def test_a_picture_without_a_face_has_no_events(tmp_path: Path) -> None:
    Image.fromarray(np.full((240, 320, 3), 128, np.uint8)).save(tmp_path / "plain.png")

    events = explain.run(Settings(), tmp_path / "plain.png", tmp_path / "out.jpg")

    assert events == []
    assert (tmp_path / "out.jpg").exists()
    shown = io.StringIO()
    explain.show(events, Console(file=shown, width=200))
    assert "No face found" in shown.getvalue()


def test_what_is_no_picture_or_cannot_be_written(portrait: Path, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("no picture")
    with pytest.raises(BadPicture, match=r"words\.jpg is not a picture"):
        explain.run(Settings(), tmp_path / "words.jpg", None)
    with pytest.raises(BadPicture, match="limit is 1000 px"):
        explain.run(Settings(max_frame_pixels=1000), portrait, None)
    with pytest.raises(SourceNotFound, match=r"nothing\.png cannot be read: No such file"):
        explain.run(Settings(), tmp_path / "nothing.png", None)
    with pytest.raises(OutputFailed, match=r"\.xyz'\. Use \.png or \.jpg\.$"):
        explain.run(Settings(), portrait, tmp_path / "out.xyz")
    with pytest.raises(OutputFailed, match=r"nowhere/out\.png"):
        explain.run(Settings(), portrait, tmp_path / "nowhere" / "out.png")
