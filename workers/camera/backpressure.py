"""Keeps a lossless camera from running further ahead of the landmarks workers than Kafka keeps.

Frames are deleted after a minute (or, on the embedded broker, beyond 5 MiB), read or not. So a lossless
camera looks where the consumer group is, and waits while too many of its bytes are not yet read. One that
sends landmarks alone looks where the classify workers are.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams import broker, logs
from streams.settings import Settings
from streams.topics import Topic

UNREAD_BYTES_MAX = 3 * 1024 * 1024
POLL_S = 0.2

log = logs.get("mien.camera")


class Backpressure:
    """Use :meth:`open`."""

    def __init__(self, admin: AIOKafkaAdminClient, group: str, topic: Topic) -> None:
        self._admin = admin
        self._group = group
        self._topic = topic.name
        self._unread: deque[tuple[int, int, int]] = (
            deque()
        )  # partition, offset, bytes; a camera has one partition
        self._unread_bytes = 0
        self._furthest: dict[TopicPartition, int] = {}
        """Where the group was."""

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, topic: Topic, *, reader: str) -> AsyncIterator[Self]:
        """``reader`` is the stage that reads the topic."""
        admin = AIOKafkaAdminClient(**broker.connection(settings))
        await admin.start()
        try:
            yield cls(admin, settings.group(reader), topic)
        finally:
            await admin.close()

    def sent(self, partition: int, offset: int, n_bytes: int) -> None:
        """Notes what was delivered."""
        self._unread.append((partition, offset, n_bytes))
        self._unread_bytes += n_bytes

    async def wait_for_room(self) -> None:
        """Returns when the group has read enough of what was sent. For ever, if no worker runs."""
        while self._unread_bytes > UNREAD_BYTES_MAX:
            # By partition: asked for all, the embedded broker answers with nothing.
            mine = sorted({TopicPartition(self._topic, partition) for partition, _, _ in self._unread})
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=mine)
            self._forget_read({tp: place.offset for tp, place in committed.items()})
            if self._unread_bytes > UNREAD_BYTES_MAX:
                await asyncio.sleep(POLL_S)

    def _forget_read(self, next_offsets: dict[TopicPartition, int]) -> None:
        # A group's offsets do not go back, but Kafka deletes them with their topic.
        if any(offset < self._furthest.get(tp, -1) for tp, offset in next_offsets.items()):
            log.warning("topic was made again: what nobody had read is gone", frames=len(self._unread))
            self._furthest.clear()
            self._unread.clear()
            self._unread_bytes = 0
            return
        self._furthest |= next_offsets
        while self._unread:
            partition, offset, n_bytes = self._unread[0]
            if offset >= next_offsets.get(TopicPartition(self._topic, partition), 0):
                return
            self._unread.popleft()
            self._unread_bytes -= n_bytes
