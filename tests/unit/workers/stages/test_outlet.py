"""Where results and refused messages go."""

import hashlib
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from streams import metrics
from streams.errors import BadMessage
from streams.settings import Settings
from workers.stages.handler import Message
from workers.stages.outlet import Outlet

BAD = Message(b"key", b"bad", [("seq", b"7")], "mien.frames", 2, 1)


def size_of(value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]) -> int:
    return len(value or b"") + len(key or b"") + sum(len(name) + len(raw) for name, raw in headers)


class FakeProducer:
    """What Outlet needs of aiokafka's producer."""

    def __init__(self, *, limit: int = 10**9, most: int = 10**9) -> None:
        self.limit, self.most = limit, most
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.delivered = False

    async def send(self, topic: str, value: bytes, **message: Any) -> Any:
        async def delivery() -> None:
            if size_of(value, **message) > self.limit:
                raise RecordListTooLargeError("said by the broker")
            self.delivered = True

        if size_of(value, **message) > self.most:
            raise MessageSizeTooLargeError("said by the client")
        assert not (value is None and message["key"] is None)  # as aiokafka does
        self.sent.append((topic, {"value": value} | message))
        return delivery()


async def test_a_refused_message_is_in_the_dead_letters_when_refuse_returns() -> None:
    producer: Any = FakeProducer()
    outlet = Outlet(producer, "landmarks", Settings().topics.dead_letters)
    counter = metrics.dead_letters_total.labels("landmarks", "bad-message")
    before = counter._value.get()
    await outlet.refuse(BAD, BadMessage("odd"))

    ((topic, sent),) = producer.sent
    assert topic == "mien.dead-letters"
    assert (sent["key"], sent["value"]) == (BAD.key, BAD.value)
    assert dict(sent["headers"]) == {
        "seq": b"7",
        "dead-letter-stage": b"landmarks",
        "dead-letter-reason": b"bad-message",
        "dead-letter-error": b"BadMessage: odd",
        "dead-letter-topic": b"mien.frames",
        "dead-letter-partition": b"2",
        "dead-letter-offset": b"1",
    }
    assert producer.delivered
    assert counter._value.get() == before + 1


async def refused(producer: Any, message: Message) -> dict[str, Any]:
    outlet = Outlet(producer, "landmarks", Settings().topics.dead_letters)
    counter = metrics.dead_letters_total.labels("landmarks", "bad-message")
    before = counter._value.get()
    await outlet.refuse(message, BadMessage("odd"))

    assert counter._value.get() == before + 1
    (_, sent) = producer.sent[-1]
    return dict(sent)


@pytest.mark.parametrize("who", ["limit", "most"])
async def test_a_message_that_does_not_fit_goes_without_its_value(who: str) -> None:
    value = b"x" * 5000
    sent = await refused(FakeProducer(**{who: 2000}), BAD._replace(value=value))

    assert (sent["key"], sent["value"]) == (b"key", None)
    headers = dict(sent["headers"])
    assert headers["seq"] == b"7"
    assert headers["dead-letter-reason"] == b"bad-message"
    assert headers["dead-letter-left-out"] == b"value"
    assert headers["dead-letter-value-bytes"] == b"5000"
    assert headers["dead-letter-value-sha256"] == hashlib.sha256(value).hexdigest().encode()


@pytest.mark.parametrize("large", [{"key": b"k" * 5000}, {"headers": [("seq", b"7" * 5000)]}])
async def test_a_key_or_headers_that_do_not_fit_are_left_out_too(large: dict[str, Any]) -> None:
    sent = await refused(FakeProducer(limit=2000), BAD._replace(**large))

    headers = dict(sent["headers"])
    assert headers["dead-letter-left-out"] == b"value,key,headers"
    assert (headers["dead-letter-topic"], headers["dead-letter-offset"]) == (b"mien.frames", b"1")
    assert "seq" not in headers


async def test_a_message_without_key_and_value_is_refused_like_any_other() -> None:
    sent = await refused(FakeProducer(), BAD._replace(key=None, value=None))

    assert (sent["key"], sent["value"]) == (None, b"")


async def test_a_letter_that_fits_in_no_form_does_not_stall_the_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr("workers.stages.outlet.log.error", lambda _, **about: said.append(about))
    producer: Any = FakeProducer(limit=10)
    await refused(producer, BAD)

    assert not producer.delivered
    assert [about["at"] for about in said] == ["mien.frames/2@1"]
