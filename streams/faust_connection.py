"""Faust's way to Kafka: the addresses and credentials of ``broker``, as Faust wants them.

By itself, because a camera reaches Kafka without Faust, and saves 9 MB.
"""

import faust

from streams.broker import ssl_context
from streams.settings import Settings


def credentials(settings: Settings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The credentials for Faust, whose ``SASLCredentials`` silently mean plaintext without a context."""
    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def url(settings: Settings) -> list[str]:
    """The addresses of Kafka for Faust."""
    return [f"kafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")]
