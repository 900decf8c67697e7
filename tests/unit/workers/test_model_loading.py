"""The model, its landmark set and Redis: loaded, or a clear word why not."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.errors import (
    AccessDenied,
    ModelUnusable,
    RedisUnavailable,
)
from streams.local.child_process import free_ports
from streams.settings import Settings
from streams.store import subject_state
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


async def test_redis_is_waited_for_as_long_as_asked() -> None:
    (port,) = free_ports(1)
    async with subject_state.connect(Settings(redis_url=f"redis://127.0.0.1:{port}")) as store:
        with pytest.raises(RedisUnavailable):
            await model_loading.wait_for_redis(store, 0)


async def test_redis_that_comes_late_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [RedisUnavailable("not yet"), RedisUnavailable("not yet")]

    async def ping() -> None:
        if errors:
            raise errors.pop()

    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr(model_loading.asyncio, "sleep", at_once)
    await model_loading.wait_for_redis(SimpleNamespace(ping=ping), 60)

    assert not errors  # both were raised


async def test_refused_credentials_of_redis_are_not_waited_for() -> None:
    async def ping() -> None:
        raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        await model_loading.wait_for_redis(SimpleNamespace(ping=ping), 3600)
