"""What any aiokafka client does: create a topic, send to it, read from it."""

import asyncio
import gc

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.local.kafka_server import KafkaServer


async def send(server: KafkaServer, values: list[bytes], topic: str = "letters", **security: object) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=server.bootstrap,
        max_request_size=5 * 1024 * 1024,
        request_timeout_ms=5000,
        **security,
    )
    try:
        await producer.start()
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()
        await asyncio.sleep(0.1)  # aiokafka does not await the end of a refused TLS connection
        gc.collect()  # what it leaves open shows up here, as a warning, and not in a later test


async def create(server: KafkaServer, topic: str, **security: object) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap, **security)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def read(server: KafkaServer, count: int, topic: str = "letters", **security: object) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=server.bootstrap, auto_offset_reset="earliest", **security)
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
