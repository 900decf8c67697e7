"""Kafka with SASL over TLS: it lets the right clients in and refuses the others, and Mien says why."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from clients import create, read, send
from harness import COMMANDS, SASL, Chain, eventually, the_line, unique_prefix

from streams.local.kafka_server import KafkaServer


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_right_credentials_and_trust_are_let_in(secure_kafka: KafkaServer, mechanism: str) -> None:
    security = {
        "security_protocol": secure_kafka.security_protocol,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "mien",
        "sasl_plain_password": "right-1",
        "ssl_context": ssl.create_default_context(cafile=str(secure_kafka.ca_path)),
    }
    await create(secure_kafka, mechanism, **security)
    await send(secure_kafka, [mechanism.encode()], topic=mechanism, **security)
    assert await read(secure_kafka, 1, topic=mechanism, **security) == [mechanism.encode()]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize(("user", "password"), [("mien", "wrong"), ("other", "right-1")])
async def test_wrong_credentials_are_refused(
    secure_kafka: KafkaServer,
    mechanism: str,
    user: str,
    password: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # aiokafka tells the reason in its log only.
    with pytest.raises(KafkaConnectionError):
        await send(
            secure_kafka,
            [b"never"],
            security_protocol="SASL_SSL",
            sasl_mechanism=mechanism,
            sasl_plain_username=user,
            sasl_plain_password=password,
            ssl_context=ssl.create_default_context(cafile=str(secure_kafka.ca_path)),
        )
    assert "SaslAuthenticationFailed" in caplog.text


async def test_clients_that_do_not_trust_the_certificate_or_speak_plaintext_get_nothing(
    secure_kafka: KafkaServer,
) -> None:
    with pytest.raises(KafkaConnectionError):
        await send(
            secure_kafka,
            [b"never"],
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            sasl_plain_username="mien",
            sasl_plain_password="right-1",
            ssl_context=ssl.create_default_context(),
        )
    with pytest.raises(KafkaConnectionError):
        await send(secure_kafka, [b"never"])


@pytest.fixture
def secure_chain(tmp_path: Path, secure_kafka: KafkaServer, redis_url: Callable[[], str]) -> Iterator[Chain]:
    chain = Chain(
        tmp_path,
        kafka=secure_kafka.bootstrap,
        redis_url=redis_url(),
        prefix=unique_prefix(),
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username=SASL[0],
        kafka_sasl_password=SASL[1],
        kafka_ssl_ca_file=secure_kafka.ca_path,
        startup_timeout_s=20,
    )
    yield chain
    chain.close()


def test_sasl_over_tls_lets_the_right_ones_work_and_refuses_the_others(
    secure_chain: Chain, pictures: Callable[[int], Path]
) -> None:
    chain = secure_chain
    status, _, err = chain.run("topics")
    assert status == 0, err
    wrong = {"kafka_sasl_password": "wrong-1"}
    refused = {name: chain.start(*COMMANDS[name], **wrong) for name in ("camera", "landmarks", "topics")}
    untrusted = chain.start("topics", kafka_ssl_ca_file="/etc/hostname")
    for name, process in refused.items():
        assert process.wait() == 77, (name, process.err)
        line = the_line(process.err)
        for variable in ("USERNAME", "PASSWORD", "MECHANISM"):
            assert f"MIEN_KAFKA_SASL_{variable}" in line
        assert "wrong-1" not in process.err
    assert untrusted.wait() == 78
    assert "/etc/hostname" in the_line(untrusted.err)

    (landmarks,) = chain.start_stages("landmarks")
    camera = chain.start(
        "camera", "--id", "safe", "--source", str(pictures(10)), "--lossless", "--as-fast-as-possible"
    )
    assert camera.wait() == 0, camera.err
    eventually(
        lambda: landmarks.totals("mien_frames_total", "outcome") == {"faces": 10},
        f"all frames worked on; its log:\n{landmarks.err}",
    )
    assert landmarks.end() == 0
