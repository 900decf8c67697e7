"""Where Faust's Kafka transport is bent: what no integration test can bring about at will."""

import asyncio
from typing import Any

from workers.faust_app import _ConsumerThread


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
    thread: Any = object.__new__(_ConsumerThread)
    thread._consumer = FetchWaitsToTryAgain()
    thread._method_queue = None

    asyncio.run(thread.on_thread_stop())

    assert thread._consumer.stopped
