"""The Faust app of a stage: Kafka's address and credentials, the consumer group, and how often it commits.

Two parts of Faust's Kafka transport are bent to our needs, in files of their own: which offsets are
acknowledged and committed (``consumer_offsets``), and how much is fetched at once (``fetch_gathering``).
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import faust

from streams import faust_connection
from streams.settings import Settings
from streams.topics import Topic
from workers.stages.consumer_offsets import BatchTransport

COMMIT_INTERVAL_S = 0.5


def faust_app(settings: Settings, name: str, loop: asyncio.AbstractEventLoop, batch_max: int) -> faust.App:
    """Faust's app for the stage; its events are batches of up to ``batch_max`` records."""
    app = faust.App(
        settings.group(name),
        broker=faust_connection.url(settings),
        broker_credentials=faust_connection.credentials(settings),
        loop=loop,
        autodiscover=False,
        store="memory://",
        datadir=Path(tempfile.gettempdir(), f"mien-{name}"),  # stays empty, but Faust makes it
        table_standby_replicas=0,  # no tables: any assignor will do
        web_enabled=False,
        topic_allow_declare=False,  # `mien topics` creates them; the embedded broker cannot be asked to
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=COMMIT_INTERVAL_S,
        stream_wait_empty=False,  # would wait at the end for what we did not take on, and never acknowledge
        broker_session_timeout=settings.kafka_session_timeout_s,
        broker_heartbeat_interval=settings.kafka_session_timeout_s / 4,
        stream_buffer_maxsize=1,  # batches; Faust reads no more from Kafka while one waits there
    )
    app.transport = BatchTransport(
        app.conf.broker,
        app,
        loop,
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        batch_max=batch_max,
    )
    return app


def topic_of_batches(app: faust.App, topic: Topic) -> Any:
    """The topic for an agent whose events are batches of records."""
    return app.topic(topic.name, schema=_AsTheyAre())


class _AsTheyAre(faust.Schema):  # type: ignore[misc]
    """A Faust schema that decodes nothing: that is the business of ``streams``."""

    def compile(self, app: faust.App, **_options: Any) -> Any:
        async def decode(message: Any, **_options: Any) -> Any:
            return app.create_event(message.key, message.value, message.headers, message)

        return decode
