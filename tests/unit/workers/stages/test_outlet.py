"""Where results and refused messages go."""

from typing import Any

from streams import metrics
from streams.errors import BadMessage
from streams.settings import Settings
from workers.stages.handler import Message
from workers.stages.outlet import Outlet

BAD = Message(b"key", b"bad", [("seq", b"7")], "mien.frames", 2, 1)


class FakeProducer:
    """What Outlet needs of aiokafka's producer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.delivered = False

    async def send(self, topic: str, value: bytes, **message: Any) -> Any:
        async def delivery() -> None:
            self.delivered = True

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
