"""`mien alerts tail`: follows the topic of alerts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from rich.text import Text

from streams import broker, logs
from streams.errors import BadMessage
from streams.messages import alert as alert_message
from streams.messages.alert import Alert
from streams.printable import printable
from streams.settings import Settings
from workers.json_output import print_json
from workers.terminal import Terminal

STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}

log = logs.get("mien.alerts")


def run(settings: Settings, *, from_beginning: bool, as_json: bool) -> None:
    """Prints a line an alert until Ctrl-C.

    Raises:
        ServiceUnavailable: if Kafka does not answer, or has no such topic.
    """
    asyncio.run(_run(settings, from_beginning, as_json))


async def _run(settings: Settings, from_beginning: bool, as_json: bool) -> None:
    console = Terminal()
    async for alert in follow(settings, from_beginning=from_beginning):
        if as_json:
            print_json(alert)
        else:
            console.print(line(alert), soft_wrap=True)


async def follow(settings: Settings, *, from_beginning: bool) -> AsyncIterator[Alert]:
    """The alerts as they come; what is no alert is left out, with a warning."""
    topic = settings.topics.alerts
    await broker.wait_until_ready(settings, 0, topic)
    # No group: whoever looks takes nothing away from others, and leaves nothing behind.
    consumer = AIOKafkaConsumer(
        topic.name,
        **broker.connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        await consumer.start()
        async for record in consumer:
            try:
                yield alert_message.decode(record.value)
            except BadMessage as exc:
                log.warning("no alert", partition=record.partition, offset=record.offset, error=str(exc))
    except KafkaError as exc:
        raise broker.unavailable(settings, exc) from exc
    finally:
        await consumer.stop()


def line(alert: Alert) -> Text:
    """One line for a terminal. What producers chose is shown as it is: no control characters, no markup."""
    who = alert.subject_id or alert.camera_id
    words = f"{alert.at:%Y-%m-%d %H:%M:%S} {alert.state:<8} {alert.severity:<8} {alert.rule} {who}"
    labels = [f"{name}={value}" for name, value in sorted(alert.labels.items())]
    return Text(
        printable(" ".join([words, alert.summary, *labels])),
        style=STYLES[alert.severity] if alert.state == "firing" else "green",
    )
