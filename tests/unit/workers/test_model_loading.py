"""The model and its landmark set: loaded, or a clear word why not."""

from pathlib import Path

import pytest

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
