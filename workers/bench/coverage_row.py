"""The row `coverage` of `mien bench`: the state stage with its count of where faces can be read, beside it
without.

Both read the same events, of as many cameras as a batch has events, each with a face ten times a second; what
is counted goes to a real Redis as often as it does in the stream.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from streams.local import embedded_servers
from streams.settings import Settings
from streams.store import coverage_store, subject_state
from workers.bench.alerts_row import FPS, example_event
from workers.coverage.coverage_tally import WRITE_EVERY_S, CoverageTally
from workers.figures.timing import Comparison, Side, alternate
from workers.stages.handler import Message
from workers.stages.outlet import Outlet
from workers.stages.state import BATCH_MAX, StateWorker

BATCHES_A_WRITE: Final = round(WRITE_EVERY_S * FPS)


def coverage(settings: Settings, seconds: float) -> list[Comparison]:
    """Measures a batch of events each way, for so many seconds a side."""
    with embedded_servers.redis_server() as url, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        here = settings.model_copy(update={"redis_url": url})
        tally, steps = runner.run(_steps(here, stack, runner))
        costs = alternate(steps, seconds)
        runner.run(tally.write())
        runner.run(stack.aclose())
    ours, without = (Side.of(f"the state stage {name}", costs[name]) for name in steps)
    return [Comparison.of("coverage", f"a batch of {BATCH_MAX} events", ours, without)]


async def _steps(
    settings: Settings, stack: AsyncExitStack, runner: asyncio.Runner
) -> tuple[CoverageTally, dict[str, Callable[[], Any]]]:
    """What counts, and the next batch with it and without, each time it is called."""
    store = await stack.enter_async_context(subject_state.connect(settings))
    tally = CoverageTally(await stack.enter_async_context(coverage_store.connect(settings)))
    outlet = _NoOutlet()
    numbers = itertools.count(1)

    def batch() -> list[Message]:
        number = next(numbers)  # each frame is a new one, or the fence would stop it
        return [
            Message(None, value.replace(b'"frame_seq":0,', b'"frame_seq":%d,' % number), [], "", 0, 0)
            for value in events
        ]

    def step(worker: StateWorker) -> None:
        runner.run(worker.handle(batch()))

    def with_it() -> None:
        step(counting)
        if next(done) % BATCHES_A_WRITE == 0:
            runner.run(tally.write())

    events = [example_event(camera, 0, afraid=False) for camera in range(BATCH_MAX)]
    done = itertools.count(1)
    counting, bare = StateWorker(store, outlet, tally), StateWorker(store, outlet)
    return tally, {"with the coverage": with_it, "without it": lambda: step(bare)}


class _NoOutlet(Outlet):
    """None is needed: no event of these is refused."""

    def __init__(self) -> None:
        pass
