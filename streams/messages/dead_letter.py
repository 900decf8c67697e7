"""A message that a stage refused, on ``mien.dead-letters``: key, value and headers as they came,
with added headers that say who refused it, where it was and why."""

from collections.abc import Iterable

from streams.errors import InputRefused
from streams.messages.frame_message import Headers


def encode(
    error: InputRefused,
    *,
    stage: str,
    topic: str,
    partition: int,
    offset: int,
    headers: Iterable[tuple[str, bytes]],
) -> Headers:
    """The headers of the dead letter; key and value stay what they were."""
    return [
        *headers,
        ("dead-letter-stage", stage.encode()),
        ("dead-letter-reason", error.reason.encode()),
        ("dead-letter-error", f"{type(error).__name__}: {error}"[:1000].encode()),
        ("dead-letter-topic", topic.encode()),
        ("dead-letter-partition", str(partition).encode()),
        ("dead-letter-offset", str(offset).encode()),
    ]
