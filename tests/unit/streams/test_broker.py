"""Kafka connections: security, and errors in the user's terms."""

import asyncio
import ssl
import time
from pathlib import Path

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)
from confluent_kafka.admin import AdminClient

from streams import broker
from streams.errors import AccessDenied, BrokerUnavailable, SettingsInvalid, TopicMissing
from streams.local import embedded_servers
from streams.local.child_process import free_ports
from streams.settings import Settings

SASL = {"kafka_sasl_username": "ann", "kafka_sasl_password": "hunter2"}


def secured(protocol: str) -> Settings:
    return Settings(kafka_security_protocol=protocol, **(SASL if "SASL" in protocol else {}))


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_checks_the_servers_name_and_certificate(protocol: str) -> None:
    context = broker.ssl_context(secured(protocol))

    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, "this is no certificate"])
def test_a_bad_ca_file_is_a_wrong_setting(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    settings = Settings(kafka_security_protocol="SSL", kafka_ssl_ca_file=path)

    with pytest.raises(SettingsInvalid, match=str(path)):
        broker.ssl_context(settings)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SaslAuthenticationFailed("no"), AccessDenied),
        (KafkaConnectionError("refused"), BrokerUnavailable),
        (KafkaTimeoutError(), BrokerUnavailable),
        (OSError("unreachable"), BrokerUnavailable),
    ],
)
def test_errors_say_where_and_what_to_do_and_never_the_password(
    error: Exception, kind: type[Exception]
) -> None:
    told = broker.unavailable(secured("SASL_SSL"), error)

    assert type(told) is kind
    assert "localhost:9092 (SASL_SSL)" in str(told)
    assert "MIEN_KAFKA_" in str(told)
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "kind", [ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError]
)
def test_a_missing_right_is_no_wrong_password(kind: type[Exception]) -> None:
    told = broker.unavailable(secured("SASL_SSL"), kind("mien.frames"))

    assert type(told) is AccessDenied
    assert "no right" in str(told)
    assert "mien.frames" in str(told)
    assert "`mien acls`" in str(told)
    assert "PASSWORD" not in str(told)


async def test_a_broker_that_is_there_is_ready_at_once() -> None:
    with embedded_servers.broker() as address:
        await broker.wait_until_ready(Settings(kafka_bootstrap_servers=address), 0)


async def test_a_broker_that_is_not_there_is_told_after_one_try() -> None:
    (port,) = free_ports(1)

    with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{port}.*does not answer"):
        await broker.wait_until_ready(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"), 0)


async def test_a_server_that_is_no_kafka_is_told() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            await broker.wait_until_ready(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"), 0)


async def test_it_is_waited_for_as_long_as_asked() -> None:
    (port,) = free_ports(1)
    started_s = time.monotonic()

    with pytest.raises(BrokerUnavailable):
        await broker.wait_until_ready(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"), 0.5)
    assert time.monotonic() - started_s >= 0.5


async def test_topics_cannot_be_created_without_a_broker() -> None:
    (port,) = free_ports(1)

    with pytest.raises(BrokerUnavailable):
        await broker.create_topics(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"))


async def test_a_broker_without_a_controller_is_told() -> None:
    with (
        embedded_servers.broker() as address,  # which has none
        pytest.raises(BrokerUnavailable, match="no controller"),
    ):
        await broker.create_topics(Settings(kafka_bootstrap_servers=address))


async def test_a_produced_message_is_delivered_whole() -> None:
    with embedded_servers.broker() as address:
        settings = Settings(kafka_bootstrap_servers=address)
        topic = settings.topics.frames
        async with broker.producer(settings, max_message_bytes=topic.max_message_bytes) as producer:
            record = await producer.send_and_wait(topic.name, b"x" * 2_000_000, key=b"lobby")

        assert record.offset == 0


async def test_a_missing_topic_is_told_with_the_way_to_create_it() -> None:
    topics = Settings().topics
    with embedded_servers.broker(topics.frames) as address:
        settings = Settings(kafka_bootstrap_servers=address)
        await broker.wait_until_ready(settings, 0, topics.frames)
        with pytest.raises(
            TopicMissing, match=r"has no topic mien\.emotions, mien\.landmarks\. .*`mien topics`"
        ):
            await broker.wait_until_ready(settings, 0, topics.frames, topics.landmarks, topics.emotions)


async def test_a_topic_that_comes_late_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Settings().topics
    said = asyncio.Event()
    monkeypatch.setattr(broker.log, "warning", lambda *_, **__: said.set())
    with embedded_servers.broker() as address:
        settings = Settings(kafka_bootstrap_servers=address)
        waiting = asyncio.ensure_future(broker.wait_until_ready(settings, 60, topics.frames))
        await asyncio.wait_for(said.wait(), 30)  # it looked once
        assert not waiting.done()

        AdminClient({"bootstrap.servers": address}).list_topics(topics.frames.name, timeout=10)

        await asyncio.wait_for(waiting, 30)
