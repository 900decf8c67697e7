"""`mien rebuild`: the state in Redis made again from the emotion events that Kafka still has."""

import asyncio

from streams import broker
from streams.settings import Settings
from streams.store import state_rebuild, subject_state
from streams.store.state_rebuild import Rebuilt
from workers.json_output import print_json
from workers.terminal import Terminal


def run(settings: Settings, *, as_json: bool) -> None:
    """Makes the state again and prints what was done; state workers may run meanwhile.

    Raises:
        ServiceUnavailable: if Kafka with its topic, or Redis, is not there.
    """
    done = asyncio.run(_run(settings))
    if as_json:
        print_json(done)
        return
    topic = settings.topics.emotions.name
    Terminal().print(
        f"{done.replaced} subjects made again from {done.events_applied} of {done.events_read} events "
        f"of {topic} in {done.seconds:.1f} s",
        highlight=False,
    )
    if done.left:
        Terminal().print(
            f"{done.left} subjects stay as they are: Redis has more of them than {topic}",
            highlight=False,
        )


async def _run(settings: Settings) -> Rebuilt:
    await broker.wait_until_ready(settings, 0, settings.topics.emotions)
    async with subject_state.connect(settings) as store:
        await store.ping()
        async with store.watch.rebuilding():
            return await state_rebuild.rebuild(settings)
