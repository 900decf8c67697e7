"""One frame's way as one trace: camera → landmarks → classify → state, and an alert; real models and Redis.

The handlers run in this process, with OpenTelemetry's in-memory exporter. Kafka's part is played by the
messages themselves, which carry the context in their headers.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.health import Health
from streams.messages import frame_message
from streams.settings import Settings
from streams.store import alert_store, subject_state
from streams.telemetry import trace_context, tracing
from streams.telemetry.otel_spans import OtelTracer
from workers.alerts.alert_worker import AlertWorker
from workers.alerts.rule_book import RuleBook
from workers.alerts.truth_timeline import TruthTimeline
from workers.camera.camera import _Camera
from workers.camera.reading_thread import CameraOptions, Captured, Outcomes
from workers.stages import classify, landmarks
from workers.stages.handler import Message
from workers.stages.state import StateWorker

FRAMES = 8


def messages(sent: Sequence[Any], topic: str) -> list[Message]:
    """What was sent to a topic, as its reader gets it."""
    return [
        Message(one.key, one.value, one.headers, topic, 0, offset)
        for offset, one in enumerate(one for one in sent if one.topic.name == topic)
    ]


async def test_one_trace_from_the_camera_to_the_state_and_the_alert(
    redis_url: Callable[[], str], outlet: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text("rules: [{name: seen, emotions: [neutral], probability: 0.01, for: 100ms}]")
    settings = Settings(redis_url=redis_url(), own_neutral=False, hand_over=False, trace_ratio=1.0)
    exporter = InMemorySpanExporter()
    with tracing.using(OtelTracer("test", SimpleSpanProcessor(exporter))):
        frames = taken_by_a_camera(settings)
        async with landmarks.open_handler(settings, outlet) as find:
            await find(frames)
        async with classify.open_handler(settings, outlet) as judge:
            await judge(messages(outlet.sent, "mien.landmarks"))
        events = messages(outlet.sent, "mien.emotions")
        async with subject_state.connect(settings) as store:
            await StateWorker(store, outlet).handle(events)
        async with alert_store.connect(settings) as alerts:
            worker = AlertWorker(settings, alerts, outlet, RuleBook(rules), TruthTimeline())
            await worker.handle(events)
    (alert,) = messages(outlet.sent, "mien.alerts")

    spans = {span.context.span_id: span for span in exporter.get_finished_spans() if span.context}
    (last,) = [span for span in spans.values() if span.name == "alerts"]
    context = trace_context.parse(trace_context.of_event(alert.headers))
    assert context
    assert int(context.trace_id, 16) == last.context.trace_id
    assert int(context.span_id, 16) == last.context.span_id
    way, one = ["alerts"], last
    while one.parent:
        one = spans[one.parent.span_id]
        way.insert(0, one.name)
    assert way == ["camera", "landmarks", "classify", "alerts"]
    of_trace = [span for span in spans.values() if span.context.trace_id == last.context.trace_id]
    assert sorted(span.name for span in of_trace) == ["alerts", "camera", "classify", "landmarks", "state"]
    (state,) = [span for span in of_trace if span.name == "state"]
    assert state.parent is not None
    assert spans[state.parent.span_id].name == "classify"
    assert len({span.context.trace_id for span in spans.values()}) == FRAMES
    told = generate_latest(REGISTRY).decode()  # the exemplar of an age is that of its last frame
    assert [span for span in spans.values() if f'trace_id="{span.context.trace_id:032x}"' in told]


def taken_by_a_camera(settings: Settings) -> list[Message]:
    """Some frames of the portrait, as `mien camera` makes and sends them."""
    camera = _Camera(
        settings, CameraOptions(camera_id="lobby", source="demo:calm"), Health("kafka"), Outcomes("lobby")
    )
    animation = Animation(find_script("calm"), 10, (640, 480), 0)
    taken = []
    for seq in range(FRAMES):
        at_us = time.time_ns() // 1000 - (FRAMES - seq) * 100_000
        frame = camera._frame(Captured(seq, at_us, Jpeg(encode_jpeg(animation.frame(seq), 90), (640, 480))))
        camera._sent(frame)
        key, value, headers = frame_message.encode(frame)
        taken.append(Message(key, value, headers, "mien.frames", 0, seq))
    return taken
