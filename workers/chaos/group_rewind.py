"""Sets the offsets of a consumer group back, as an operator does who wants a part of a topic read again."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.errors import BrokerUnavailable

TIMEOUT_S = 30.0
"""Until the group has noticed that its last member has gone."""


def rewind(bootstrap: str, group: str, messages: int) -> None:
    """Sets each of the group's offsets back by so many messages, or to the partition's beginning.

    Raises:
        BrokerUnavailable: if Kafka does not let us in time, as while the group has members.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline_s = time.monotonic() + TIMEOUT_S
    while problem := _try(admin, group, messages):
        if time.monotonic() > deadline_s:
            raise BrokerUnavailable(f"Kafka does not set the offsets of {group} back: {problem}")
        time.sleep(0.5)


def _try(admin: AdminClient, group: str, messages: int) -> object:
    """What stands in the way; None if it is done."""
    try:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        committed = asked[group].result(10).topic_partitions
        back = [TopicPartition(tp.topic, tp.partition, max(0, tp.offset - messages)) for tp in committed]
        changed = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, back)])
        answers = changed[group].result(10).topic_partitions
    except KafkaException as exc:
        return exc
    return next((tp.error for tp in answers if tp.error is not None), None)
