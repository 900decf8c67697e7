"""Fuller fetches: the rate that asks for them, and the end of the consumer's thread."""

import asyncio
from typing import Any

import pytest

from workers.stages.fetch_gathering import GatheringThread, MessageRate


class FetchWaitsToTryAgain:
    """What aiokafka's consumer does at its end while one of its fetches waits for a Kafka that is away."""

    def __init__(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True
        pending = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        pending.cancel()
        await pending


def test_the_consumer_thread_ends_when_a_fetch_lets_out_its_cancellation() -> None:
    thread: Any = object.__new__(GatheringThread)
    thread._consumer = FetchWaitsToTryAgain()
    thread._method_queue = None

    asyncio.run(thread.on_thread_stop())

    assert thread._consumer.stopped


@pytest.mark.parametrize(("batch", "interval_s"), [(1, 0.1), (1, 0.01), (5, 0.05), (64, 0.2)])
def test_the_rate_is_what_came_in_the_last_second(batch: int, interval_s: float) -> None:
    rate = MessageRate(now_s=0.0)
    for step in range(1, round(8 / interval_s)):
        rate.took(batch, step * interval_s)

    assert rate.per_s == pytest.approx(batch / interval_s, rel=0.11)

    rate.took(0, 8 / interval_s * interval_s + 5)
    assert rate.per_s < 0.02 * batch / interval_s


def test_the_rate_of_nothing_is_0() -> None:
    rate = MessageRate(now_s=3.0)
    rate.took(0, 4.0)

    assert rate.per_s == 0
