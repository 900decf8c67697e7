"""`mien live`: serves the page and the API until it is told to stop."""

import asyncio
import secrets
import signal
import socket
from types import FrameType
from typing import Final

import uvicorn
from aiokafka.errors import KafkaError

from streams import broker, logs, metrics
from streams.errors import SettingsInvalid
from streams.health import Health, MetricsServer
from streams.messages.verdict import VERDICTS
from streams.settings import Settings
from streams.store import coverage_store, subject_state
from streams.store.neutral_face_store import NeutralFaceStore
from workers.access.access_file import AccessBook
from workers.access.signed_tokens import Signer
from workers.live.live_app import application
from workers.live.live_context import Live
from workers.live_feed.live_reader import KAFKA

BACKLOG: Final = 128
STOP_TIMEOUT_S: Final = 5
OTHER_REQUESTS_MAX: Final = 200
"""At once, beside open streams."""

log = logs.get("mien.live")


def run(settings: Settings) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        SettingsInvalid: if the port is taken, or the access file cannot be used.
        SourceNotFound: if there is no such access file.
        ServiceUnavailable: if Kafka with its topics is not there at the start.
    """
    access = AccessBook(settings.live_access_file)
    health = Health(KAFKA)
    with (
        _listening(settings) as listening,
        MetricsServer(health, settings.metrics_host, settings.metrics_port) as metrics_server,
    ):
        asyncio.run(_run(settings, access, health, listening, metrics_server.address))
    log.info("live ended")


async def _run(
    settings: Settings, access: AccessBook, health: Health, listening: socket.socket, metrics_address: str
) -> None:
    beat = asyncio.ensure_future(health.beat())
    topics = settings.topics
    await broker.wait_until_ready(
        settings,
        settings.startup_timeout_s,
        *(topics.emotions, topics.landmarks, topics.alerts, topics.cameras, topics.verdicts),
        *((topics.frames,) if settings.live_frames else ()),
    )
    producer = broker.producer(settings, max_message_bytes=topics.verdicts.max_message_bytes)
    for word in VERDICTS:
        metrics.verdicts_total.labels(word)  # a counter begins at 0, or its first verdict is no increase
    for outcome in ("sent", "skipped"):
        metrics.live_events_total.labels(outcome)
    secret = settings.live_secret
    signer = Signer(secret.get_secret_value().encode() if secret else secrets.token_bytes(32))
    try:
        await producer.start()
        async with (
            subject_state.connect(settings) as subjects,
            NeutralFaceStore.connect(settings) as neutral_faces,
            coverage_store.connect(settings) as coverage,
        ):
            live = Live(
                settings, access, signer, health,
                producer=producer, subjects=subjects, neutral_faces=neutral_faces, coverage=coverage,
            )  # fmt: skip
            log.info("live starts", at=_url(listening), signed_in=not access.is_open, metrics=metrics_address)
            await _serve(live, listening)
    except KafkaError as exc:
        raise broker.unavailable(settings, exc) from exc
    finally:
        await producer.stop()
        beat.cancel()


async def _serve(live: Live, listening: socket.socket) -> None:
    """Serves, and reads the topics meanwhile; if reading fails for good, it ends with its error."""
    config = uvicorn.Config(
        application(live),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # whose headers are believed, the front door decides
        server_header=False,
        limit_concurrency=live.settings.live_clients_max + OTHER_REQUESTS_MAX,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)  # uvicorn raises it again when it has ended
    server = _Server(config, live)
    readers = [live.reader.keep_reading()]
    if live.settings.live_frames:
        readers.append(live.pictures.keep_reading())
    reading = [asyncio.ensure_future(one) for one in readers]
    for one in reading:
        one.add_done_callback(lambda _: server.stop())
    reading_back = asyncio.ensure_future(live.reader.read_back(live.past))
    reading_back.add_done_callback(_tell_why)
    try:
        await server.serve(sockets=[listening])
    finally:
        reading_back.cancel()
        for one in reading:
            if one.done():
                await one
            one.cancel()


def _tell_why(reading_back: "asyncio.Future[None]") -> None:
    """The past is not worth ending for; a fault in reading it is told all the same."""
    if not reading_back.cancelled() and (exc := reading_back.exception()):
        log.error("the past is not read", exc_info=exc)


class _Server(uvicorn.Server):
    """Ends open streams when it is told to stop: else it would wait for them."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._live.stopping = True
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        self._live.stopping = True
        self.should_exit = True


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    pass


def _listening(settings: Settings) -> socket.socket:
    host, port = settings.live_host, settings.live_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise SettingsInvalid(
            f"The page cannot be served on {host}:{port}: {exc.strerror}. Set MIEN_LIVE_PORT to another port "
            "(0 takes a free one)."
        ) from exc


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
