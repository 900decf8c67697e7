"""What becomes of a batch when its messages are bad, a service is away, or the code has a bug."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
)

from streams.errors import (
    AccessDenied,
    BadMessage,
    BrokerUnavailable,
    InputRefused,
    MienError,
    ModelUnusable,
    RedisUnavailable,
    SettingsInvalid,
)
from streams.health import Health
from streams.settings import Settings
from workers.stages.handler import Message
from workers.stages.retrying import RetryingProcessor

CONNECTIONS = "model and connections"


def message(value: bytes, offset: int = 0) -> Message:
    return Message(b"key", value, [("seq", b"7")], "mien.frames", 2, offset)


GOOD, BAD, ALSO_GOOD = message(b"good", 0), message(b"bad", 1), message(b"also good", 2)


class Handler:
    """Takes down its batches; raises what ``fails`` says of a batch."""

    def __init__(self, fails: Callable[[Sequence[Message]], Exception | None]) -> None:
        self.batches: list[list[Message]] = []
        self.done: list[Message] = []
        self._fails = fails

    async def __call__(self, batch: Sequence[Message]) -> None:
        self.batches.append(list(batch))
        if error := self._fails(batch):
            raise error
        self.done += batch


def first_times(*errors: Exception) -> Callable[[Sequence[Message]], Exception | None]:
    left = list(errors)
    return lambda _: left.pop(0) if left else None


def on_bad(error: Exception) -> Callable[[Sequence[Message]], Exception | None]:
    return lambda batch: error if BAD in batch else None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.stages.retrying.RETRY_BASE_S", 0.0)


@pytest.fixture
def health() -> Health:
    health = Health(CONNECTIONS)
    health.set_ready(CONNECTIONS)
    return health


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def retrying(outlet: Any, health: Health, stopping: asyncio.Event) -> RetryingProcessor:
    return RetryingProcessor(Settings(), "landmarks", outlet, health, stopping)


async def test_a_good_batch_is_handled_once_and_whole(retrying: RetryingProcessor, outlet: Any) -> None:
    handler = Handler(first_times())
    await retrying.process(handler, [GOOD, ALSO_GOOD])

    assert handler.batches == [[GOOD, ALSO_GOOD]]
    assert outlet.refused == []


@pytest.mark.parametrize(
    "error",
    [
        RedisUnavailable("away"),
        BrokerUnavailable("away"),
        KafkaTimeoutError(),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_a_service_that_is_away_is_waited_for_and_nothing_is_refused(
    retrying: RetryingProcessor, outlet: Any, health: Health, error: Exception
) -> None:
    ready: list[list[str]] = []
    fails = first_times(error, error, error)

    def watched(batch: Sequence[Message]) -> Exception | None:
        ready.append(health.not_ready)
        return fails(batch)

    handler = Handler(watched)
    await retrying.process(handler, [GOOD, ALSO_GOOD])

    assert handler.batches == [[GOOD, ALSO_GOOD]] * 4
    assert ready == [[], [CONNECTIONS], [CONNECTIONS], [CONNECTIONS]]
    assert health.not_ready == []
    assert outlet.refused == []


@pytest.mark.parametrize("error", [ModelUnusable("gone"), AccessDenied("no"), SettingsInvalid("odd")])
async def test_an_error_that_waiting_does_not_mend_ends_the_stage(
    retrying: RetryingProcessor, outlet: Any, error: MienError
) -> None:
    handler = Handler(first_times(error))

    with pytest.raises(type(error)):
        await retrying.process(handler, [GOOD])
    assert len(handler.batches) == 1
    assert outlet.refused == []


async def test_refused_credentials_of_kafka_end_the_stage(retrying: RetryingProcessor) -> None:
    with pytest.raises(AccessDenied, match="MIEN_KAFKA_SASL"):
        await retrying.process(Handler(first_times(SaslAuthenticationFailed("no"))), [GOOD])


async def test_waiting_ends_when_the_stage_is_told_to_stop(
    retrying: RetryingProcessor, health: Health, stopping: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stages.retrying.RETRY_BASE_S", 600.0)
    monkeypatch.setattr("workers.stages.retrying.RETRY_CAP_S", 600.0)
    handler = Handler(lambda _: RedisUnavailable("away"))
    working = asyncio.ensure_future(retrying.process(handler, [GOOD]))
    async with asyncio.timeout(10):
        while not health.not_ready:
            await asyncio.sleep(0)
    assert not working.done()
    stopping.set()

    with pytest.raises(RedisUnavailable):  # not returned, so nothing is acknowledged
        await working
    assert handler.done == []


async def test_only_the_bad_message_of_a_batch_is_refused(retrying: RetryingProcessor, outlet: Any) -> None:
    error = BadMessage("odd")
    handler = Handler(on_bad(error))
    await retrying.process(handler, [GOOD, BAD, ALSO_GOOD])

    assert handler.done == [GOOD, ALSO_GOOD]
    assert outlet.refused == [(BAD, error)]


async def test_a_bug_on_one_message_makes_it_a_dead_letter_and_the_stream_goes_on(
    retrying: RetryingProcessor, outlet: Any
) -> None:
    handler = Handler(on_bad(KeyError("nose")))
    await retrying.process(handler, [GOOD, BAD, ALSO_GOOD])

    assert handler.done == [GOOD, ALSO_GOOD]
    ((refused, error),) = outlet.refused
    assert refused == BAD
    assert error.reason == "internal-error"
    assert "KeyError: 'nose'" in str(error)


@pytest.mark.parametrize(
    "error", [MessageSizeTooLargeError("big"), RecordListTooLargeError("big")], ids=lambda e: type(e).__name__
)
async def test_a_result_that_is_too_large_is_not_tried_for_ever(
    retrying: RetryingProcessor, outlet: Any, error: Exception
) -> None:
    handler = Handler(on_bad(error))
    await retrying.process(handler, [GOOD, BAD, ALSO_GOOD])

    assert handler.done == [GOOD, ALSO_GOOD]
    assert outlet.reasons == ["too-large"]


async def test_a_service_that_goes_away_while_isolating_costs_nothing(
    retrying: RetryingProcessor, outlet: Any
) -> None:
    fails = first_times(BadMessage("odd"), RedisUnavailable("away"))
    handler = Handler(lambda batch: fails(batch) or (BadMessage("odd") if BAD in batch else None))
    await retrying.process(handler, [GOOD, BAD, ALSO_GOOD])

    assert handler.done == [GOOD, ALSO_GOOD]
    assert [refused for refused, _ in outlet.refused] == [BAD]


@pytest.mark.parametrize("error", [KafkaTimeoutError()], ids=lambda e: type(e).__name__)
async def test_a_dead_letter_that_kafka_does_not_take_is_sent_again(
    retrying: RetryingProcessor, outlet: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fails = first_times(error, error)
    refuse = outlet.refuse

    async def sometimes(message: Message, why: InputRefused) -> None:
        if failure := fails([message]):
            raise failure
        await refuse(message, why)

    monkeypatch.setattr(outlet, "refuse", sometimes)
    handler = Handler(on_bad(BadMessage("odd")))
    await retrying.process(handler, [BAD])

    assert [refused for refused, _ in outlet.refused] == [BAD]
    assert handler.batches == [[BAD]]


async def test_a_dead_letter_that_cannot_be_written_at_all_is_no_endless_loop(
    retrying: RetryingProcessor, outlet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise TypeError("cannot encode")

    monkeypatch.setattr(outlet, "refuse", broken)

    with pytest.raises(TypeError, match="cannot encode"):
        await retrying.process(Handler(on_bad(BadMessage("odd"))), [GOOD, BAD])
