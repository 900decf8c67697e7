"""`mien topics`: creates what is missing, and shows the topics as they are beside what they should be."""

import asyncio

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams import broker, topic_state
from streams.errors import TopicsDiffer
from streams.settings import Settings
from streams.topic_state import Difference
from streams.topics import Topic

_SHOWN = (
    "partitions",
    "replication",
    "retention.ms",
    "max.message.bytes",
    "min.insync.replicas",
    "cleanup.policy",
)
"""What has a column of its own; what else differs is told below the table."""


class TopicRow(msgspec.Struct, frozen=True):
    """One topic, as `mien topics --json` prints it."""

    name: str
    partitions: int
    """How many it should have; likewise the next three."""
    replication: int
    retention_ms: int
    max_message_bytes: int
    holds: str
    outcome: str
    """``created``, ``exists``, or ``corrected`` by ``--apply``."""
    actual: dict[str, str] | None
    """What it has, by Kafka's names; null where that was not asked."""
    differences: list[Difference]


def run(settings: Settings, *, apply: bool, only_create: bool) -> list[TopicRow]:
    """Creates the missing topics; unless ``only_create`` says how they are; with ``apply`` corrects them.

    Raises:
        SettingsInvalid: if Kafka refuses what the settings want.
        ServiceUnavailable: if Kafka does not answer, or gives no right to do so.
    """
    return asyncio.run(_run(settings, apply, only_create))


def show(rows: list[TopicRow], console: Console) -> None:
    """Prints a row for each topic, what differs beside what is wanted, and what to do about it."""
    table = Table("topic", *_SHOWN, "holds", "outcome")
    for row in rows:
        wanted = {difference.what: difference.wanted for difference in row.differences}
        cells = [_cell(row.actual.get(what, "?"), wanted.get(what)) for what in _SHOWN] if row.actual else []
        table.add_row(row.name, *(cells or [""] * len(_SHOWN)), row.holds, row.outcome)
    console.print(table)
    for difference in (difference for row in rows for difference in row.differences):
        remedy = difference.remedy or "`mien topics --apply` corrects it."
        console.print(f"{escape(str(difference))}. {escape(remedy)}", highlight=False, soft_wrap=True)


def refuse_differences(rows: list[TopicRow]) -> None:
    """Raises TopicsDiffer if a topic is not as it should be."""
    if found := [str(difference) for row in rows for difference in row.differences]:
        raise TopicsDiffer(
            f"Topics are not as they should be: {'; '.join(found)}. `mien topics --apply` corrects what "
            "Kafka can change; `mien topics` says what to do about the rest."
        )


def _cell(actual: str, wanted: str | None) -> str:
    return escape(actual) if wanted is None else f"[bold red]{escape(actual)}[/], wanted {escape(wanted)}"


async def _run(settings: Settings, apply: bool, only_create: bool) -> list[TopicRow]:
    outcome = await broker.create_topics(settings)
    if only_create:
        return [_row(topic, outcome[topic.name], None, []) for topic in settings.topics]
    before = await topic_state.settled(settings)
    found = before
    if apply and any(topic_state.differences(topic, before[topic.name]) for topic in settings.topics):
        await topic_state.apply(settings)
        found = await topic_state.settled(settings, corrected=True)
    rows = []
    for topic in settings.topics:
        actual = found[topic.name]
        rows.append(
            _row(
                topic,
                "corrected" if actual != before[topic.name] else outcome[topic.name],
                {"partitions": str(actual.partitions), "replication": str(actual.replication)}
                | {name: actual.config.get(name, "unknown") for name in topic.config()},
                topic_state.differences(topic, actual),
            )
        )
    return rows


def _row(topic: Topic, outcome: str, actual: dict[str, str] | None, found: list[Difference]) -> TopicRow:
    return TopicRow(
        topic.name,
        topic.partitions,
        topic.replication,
        topic.retention_ms,
        topic.max_message_bytes,
        topic.holds,
        outcome,
        actual,
        found,
    )
