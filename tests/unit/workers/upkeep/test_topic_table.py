"""What `mien topics` shows, and when it ends with an error."""

from io import StringIO

import pytest
from rich.console import Console

from streams.errors import TopicsDiffer
from streams.topic_state import Difference
from workers.upkeep import topic_table
from workers.upkeep.topic_table import TopicRow

ACTUAL = {
    "partitions": "9",
    "replication": "1",
    "retention.ms": "604800000",
    "segment.ms": "604800000",
    "max.message.bytes": "5",
    "min.insync.replicas": "1",
    "cleanup.policy": "delete",
}
KEPT = Difference("a.frames", "retention.ms", "604800000", "60000", "")
MANY = Difference("a.frames", "partitions", "9", "8", "Set MIEN_TOPIC_PARTITIONS=9.")


def row(*found: Difference) -> TopicRow:
    return TopicRow("a.frames", 8, 1, 60_000, 5, "[pictures]", "exists", ACTUAL, list(found))


def shown(*rows: TopicRow) -> str:
    out = StringIO()
    topic_table.show(list(rows), Console(file=out, width=200))
    return out.getvalue()


def test_what_differs_stands_beside_what_is_wanted_and_what_to_do_below() -> None:
    out = shown(row(KEPT, MANY))

    assert "604800000, wanted 60000" in out
    assert "9, wanted 8" in out
    assert "a.frames has retention.ms 604800000, wanted 60000. `mien topics --apply` corrects it." in out
    assert "a.frames has partitions 9, wanted 8. Set MIEN_TOPIC_PARTITIONS=9." in out


def test_what_does_not_differ_stands_alone() -> None:
    assert "wanted" not in shown(row())


def test_a_difference_is_an_error_that_names_it() -> None:
    topic_table.refuse_differences([row()])

    with pytest.raises(TopicsDiffer, match=r"a\.frames has retention\.ms 604800000, wanted 60000"):
        topic_table.refuse_differences([row(), row(KEPT)])
