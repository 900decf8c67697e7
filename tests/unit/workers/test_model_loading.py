"""The model and its landmark set: loaded, or a clear word why not."""

from pathlib import Path

import pytest

from models.emotion.classifier import Classifier
from streams.errors import ModelUnusable
from streams.settings import Settings
from workers import model_loading


def test_the_shipped_model_and_its_landmark_set_belong_together() -> None:
    assert model_loading.load_classifier(Settings()).landmark_set == model_loading.load_landmark_set(
        Settings()
    )


@pytest.mark.parametrize("content", [None, b"this is no model"])
def test_a_missing_or_damaged_model_is_told_with_its_path(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.onnx"
    if content:
        path.write_bytes(content)
        (tmp_path / "landmark_set.json").write_bytes(content)
    settings = Settings(model_path=path)

    with pytest.raises(ModelUnusable, match=r"mine\.onnx"):
        model_loading.load_classifier(settings)
    with pytest.raises(ModelUnusable, match=str(tmp_path)):
        model_loading.load_landmark_set(settings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, None),
        (b"{}", "reference.json is no reference"),
        (b'{"model":"0123456789ab","population":{"data_set":"x","faces":1,"operating_points":{}},'
         b'"subject":null,"own_baseline":0}', "reference.json is of version 0123456789ab"),
    ],
)  # fmt: skip
def test_a_reference_that_is_none_of_the_model_is_left_out_with_a_word(
    tmp_path: Path, content: bytes | None, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(model_loading.log, "warning", lambda _, error: warnings.append(error))
    if content is not None:
        (tmp_path / "reference.json").write_bytes(content)
    classifier = Classifier.load()

    assert model_loading.load_reference(Settings(model_path=tmp_path / "mine.onnx"), classifier) is None
    assert [said in warning for warning in warnings] == ([True] if said else [])
    reference = model_loading.load_reference(Settings(), classifier)
    assert reference is not None
    assert reference.model == classifier.version
