"""Faust reaches Kafka as securely as aiokafka does."""

import ssl

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams import broker, faust_connection
from streams.settings import Settings

SASL = {"kafka_sasl_username": "ann", "kafka_sasl_password": "hunter2"}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_and_aiokafka_are_secured_alike(protocol: str) -> None:
    """Faust's SASLCredentials without a TLS context would silently mean plaintext."""
    settings = Settings(kafka_security_protocol=protocol, **(SASL if "SASL" in protocol else {}))
    ours = broker.connection(settings)
    fausts = credentials_to_aiokafka_auth(faust_connection.credentials(settings))

    assert ours["security_protocol"] == fausts["security_protocol"] == protocol
    for options in (ours, fausts):
        assert isinstance(options.get("ssl_context"), ssl.SSLContext) is protocol.endswith("SSL")
        if "SASL" in protocol:
            assert options["sasl_mechanism"] == "SCRAM-SHA-512"
            assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("ann", "hunter2")


def test_several_servers_for_faust() -> None:
    settings = Settings(kafka_bootstrap_servers="a:9092, b:9093", allow_plaintext=True)

    assert faust_connection.url(settings) == ["kafka://a:9092", "kafka://b:9093"]
