"""Sets the offsets of a consumer group back, as an operator does who wants a part of a topic read again."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import BrokerUnavailable

TIMEOUT_S = 30.0
"""Until the group has noticed that its last member has gone."""


def rewind(bootstrap: str, group: str, messages: int) -> None:
    """Sets each of the group's offsets back by so many messages, or to the partition's beginning.

    Raises:
        BrokerUnavailable: if Kafka does not let us in time, as while the group has members.
    """
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            asyncio.run(_rewind(bootstrap, group, messages))
        except KafkaError as exc:
            if time.monotonic() > deadline_s:
                raise BrokerUnavailable(f"Kafka does not set the offsets of {group} back: {exc}") from exc
            time.sleep(0.5)
        else:
            return


async def _rewind(bootstrap: str, group: str, messages: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign(list(committed))  # by hand: it may commit as long as the group has no member
        await consumer.commit({tp: max(0, found.offset - messages) for tp, found in committed.items()})
