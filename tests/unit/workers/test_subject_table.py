"""The table of `mien subjects`."""

from collections.abc import Callable

import pytest
import redis
from msgspec.structs import replace

from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import subject_state
from workers.subject_table import subject_table


@pytest.mark.parametrize(("baseline", "shown"), [("subject", "own"), ("population", "mean")])
async def test_the_table_tells_which_neutral_face_a_subject_is_compared_with(
    redis_url: str, make_event: Callable[..., EmotionEvent], baseline: str, shown: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    event = make_event()
    async with subject_state.connect(Settings(redis_url=redis_url)) as store:
        await store.apply([replace(event, explanation=replace(event.explanation, baseline=baseline))])
        table = subject_table(await store.subjects(), 0)
    (column,) = [column for column in table.columns if column.header == "neutral"]

    assert list(column.cells) == [shown]
