"""Kafka and Redis for a measurement: Apache Kafka where there is Java, else the embedded broker."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

import redis

from streams import broker
from streams.errors import KafkaServerUnavailable
from streams.local import embedded_servers
from streams.local.kafka_jars import fetch_jars
from streams.local.kafka_server import KafkaServer
from streams.settings import Settings
from workers.local.chain import embedded_kafka

PARTITIONS: Final = 4  # as many as the embedded broker has


class Servers(NamedTuple):
    """Kafka and Redis, and the processes that they are."""

    kind: str
    settings: dict[str, Any]
    pids: dict[str, int]
    note: str = ""


@contextmanager
def servers(settings: Settings) -> Iterator[Servers]:
    with ExitStack() as stack:
        redis_url = stack.enter_context(embedded_servers.redis_server())
        with redis.Redis.from_url(redis_url) as client:
            pids = {"redis": int(client.info("server")["process_id"])}
        try:
            fetch_jars()
            kafka = stack.enter_context(KafkaServer(partitions=PARTITIONS, short_lived=True))
        except KafkaServerUnavailable as exc:
            kafka_settings = stack.enter_context(embedded_kafka(settings.topics))
            yield Servers(
                "embedded",
                kafka_settings | {"redis_url": redis_url},
                pids,
                note=f"on the embedded broker, for Apache Kafka cannot be had: {exc}",
            )
            return
        chosen: dict[str, Any] = {"kafka_bootstrap_servers": kafka.bootstrap, "topic_partitions": PARTITIONS}
        asyncio.run(broker.create_topics(Settings(**chosen)))
        yield Servers("Apache Kafka", chosen | {"redis_url": redis_url}, pids | {"kafka": kafka.pid})
