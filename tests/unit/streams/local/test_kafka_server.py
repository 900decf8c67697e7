"""The local Apache Kafka up to its start: what is refused."""

import pytest

from streams.errors import KafkaServerUnavailable, SettingsInvalid
from streams.local.kafka_server import KafkaServer


@pytest.mark.parametrize(
    "sasl", [('a"b', "pw"), ("ann", "p w"), ("ann", ""), ("ann", "pw;"), ("ann\n", "pw")]
)
def test_credentials_that_would_change_the_configuration_are_refused(sasl: tuple[str, str]) -> None:
    with pytest.raises(SettingsInvalid):
        KafkaServer(sasl=sasl)


def test_bootstrap_is_unknown_before_the_start() -> None:
    with pytest.raises(KafkaServerUnavailable, match="start"):
        _ = KafkaServer().bootstrap
