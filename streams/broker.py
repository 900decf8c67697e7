"""Kafka connections: one place for addresses, credentials and TLS (Faust's: ``faust_connection``)."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    for_code,
)

from streams import logs
from streams.errors import (
    AccessDenied,
    BrokerUnavailable,
    GroupTaken,
    MienError,
    ServiceUnavailable,
    SettingsInvalid,
    TopicMissing,
)
from streams.settings import Settings
from streams.topics import Topic

log = logs.get("mien.broker")

METADATA_MAX_AGE_MS = 5_000
"""New partitions and topics made again are noticed after so long, and not after aiokafka's 5 minutes."""

_NO_RIGHT = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
_DENIED = (
    *_NO_RIGHT,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What is larger than the topic, one of its segments or the producer takes: trying again changes nothing."""


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Raises:
    SettingsInvalid: if a certificate file cannot be read.
    """
    if settings.kafka_security_protocol not in ("SSL", "SASL_SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file)
        if settings.kafka_ssl_cert_file:
            password = settings.kafka_ssl_key_password
            # Always one, be it empty: without, OpenSSL asks the terminal for that of an encrypted key.
            context.load_cert_chain(
                settings.kafka_ssl_cert_file,
                settings.kafka_ssl_key_file,
                password.get_secret_value() if password else "",
            )
    except (OSError, ssl.SSLError) as exc:
        files = [settings.kafka_ssl_ca_file, settings.kafka_ssl_cert_file, settings.kafka_ssl_key_file]
        raise SettingsInvalid(
            f"A TLS file cannot be used: {exc}. MIEN_KAFKA_SSL_… name {[str(file) for file in files if file]}"
        ) from exc
    return context


def connection(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    password = settings.kafka_sasl_password
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": password.get_secret_value() if password else None,
        "ssl_context": ssl_context(settings),
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
    }


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client, closed at the end; what Kafka answers badly within the block is told as ours.

    Raises:
        ServiceUnavailable: if Kafka does not answer.
        AccessDenied: if it refuses the credentials, or the right.
    """
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        await client.start()
        yield client
    except (KafkaError, OSError, TimeoutError) as exc:
        raise unavailable(settings, exc) from exc
    finally:
        await client.close()


def producer(settings: Settings, *, max_message_bytes: int) -> AIOKafkaProducer:
    """A producer that waits until all replicas in sync have a message. It may repeat one after a time-out."""
    return AIOKafkaProducer(
        **connection(settings),
        acks="all",
        max_request_size=max_message_bytes,
        max_batch_size=max(max_message_bytes, 64 * 1024),
        request_timeout_ms=10_000,
    )


def onlooker(settings: Settings, *topics: str) -> AIOKafkaConsumer:
    """A consumer of no group, which commits nothing and takes no partition from anybody. Not started."""
    return AIOKafkaConsumer(
        *topics,
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
    )


def unavailable(settings: Settings, exc: Exception) -> ServiceUnavailable:
    """The error that says in the user's terms why Kafka cannot be used."""
    where = f"Kafka at {settings.kafka_bootstrap_servers} ({settings.kafka_security_protocol})"
    if isinstance(exc, _NO_RIGHT):
        return AccessDenied(
            f"{where} knows this user, who has no right to it: {exc!r}. `mien acls` prints which rights each "
            "stage's user needs."
        )
    if isinstance(exc, _DENIED):
        return AccessDenied(
            f"{where} refused the credentials: {exc}. "
            "Check MIEN_KAFKA_SASL_USERNAME, MIEN_KAFKA_SASL_PASSWORD and MIEN_KAFKA_SASL_MECHANISM."
        )
    return BrokerUnavailable(
        f"{where} does not answer: {exc}. Start one (`make kafka`, or `mien demo` brings its own), or set "
        "MIEN_KAFKA_BOOTSTRAP_SERVERS and MIEN_KAFKA_SECURITY_PROTOCOL."
    )


def consumer_error(settings: Settings, group: str, exc: KafkaError) -> MienError:
    """The error that says in the user's terms why a consumer group cannot be read with."""
    if isinstance(exc, InconsistentGroupProtocolError):
        return group_taken(settings, group)
    if isinstance(exc, InvalidSessionTimeoutError):
        return SettingsInvalid(
            f"Kafka refuses MIEN_KAFKA_SESSION_TIMEOUT_S={settings.kafka_session_timeout_s:g}: the brokers' "
            "group.min.session.timeout.ms and group.max.session.timeout.ms say what they allow."
        )
    return unavailable(settings, exc)


def group_taken(settings: Settings, group: str) -> GroupTaken:
    """The error that says who is in the way, and what to do."""
    return GroupTaken(
        f"The consumer group {group} is in use by another program, which shares partitions in another way: "
        f"Kafka at {settings.kafka_bootstrap_servers} does not let this worker in. Stop the other one "
        f"(`kafka-consumer-groups.sh --describe --members --group {group}` shows where it runs), or set "
        "MIEN_TOPIC_PREFIX for topics and groups of your own."
    )


async def group_protocol(settings: Settings, group: str) -> str:
    """How the members of a consumer group share its partitions: ``sticky``, ``range`` …; empty without any.

    Raises:
        KafkaError: if Kafka does not tell, as the embedded broker, which does not know the question.
    """
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=5_000)
    try:
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    described = answer.to_object()["groups"][0]
    return str(described["protocol"]) if described["members"] else ""


async def wait_until_ready(settings: Settings, timeout_s: float, *topics: Topic) -> None:
    """Returns when Kafka answers and has the topics; tries for ``timeout_s`` (0: once).

    A topic that is missing must not be left to Kafka, which may create it by itself and then keep pictures
    for a week.

    Raises:
        AccessDenied: at once, if the credentials are refused.
        BrokerUnavailable: if it did not answer in time.
        TopicMissing: if it answers, but a topic was not there in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=5_000)
        try:
            await asyncio.wait_for(admin.start(), timeout=10)
            missing = {topic.name for topic in topics} - set(await admin.list_topics())
            if not missing:
                return
            error: ServiceUnavailable = TopicMissing(
                f"Kafka at {settings.kafka_bootstrap_servers} has no topic {', '.join(sorted(missing))}. "
                "Create it with `mien topics`, under the same MIEN_TOPIC_PREFIX. (Or it is there, and this "
                "user has no right to see it: `mien acls`.)"
            )
        except (KafkaError, OSError, TimeoutError) as exc:
            error = unavailable(settings, await _reason(settings) or exc)
            error.__cause__ = exc
        finally:
            await admin.close()
        if not error.retriable or time.monotonic() >= deadline:
            raise error
        log.warning("kafka is not ready yet", error=str(error))
        await asyncio.sleep(min(1.0, max(0.0, deadline - time.monotonic())))


async def _reason(settings: Settings) -> Exception | None:
    """Why the first server refuses us: aiokafka's bootstrap only logs that, and raises a general error."""
    host, _, port = settings.kafka_bootstrap_servers.split(",")[0].strip().rpartition(":")
    options = connection(settings)
    del options["bootstrap_servers"], options["metadata_max_age_ms"]
    try:
        conn = await asyncio.wait_for(create_conn(host, int(port), **options), timeout=5)
    except (KafkaError, OSError, ValueError, TimeoutError) as exc:
        return exc
    conn.close()
    return None


async def create_topics(settings: Settings) -> dict[str, str]:
    """Creates the topics that are missing; returns for each name ``created`` or ``exists``.

    Raises:
        ServiceUnavailable: as :func:`wait_until_ready`.
    """
    await wait_until_ready(settings, 0)
    admin = AIOKafkaAdminClient(**connection(settings))
    outcome = {}
    try:
        await admin.start()
        wanted = [
            NewTopic(t.name, t.partitions, t.replication, topic_configs=t.config()) for t in settings.topics
        ]
        try:
            response = await admin.create_topics(wanted)
        except AttributeError as exc:
            if exc.obj is not None:
                raise
            # It is aiokafka's way to say that the cluster has no controller.
            raise BrokerUnavailable(
                f"Kafka at {settings.kafka_bootstrap_servers} has no controller to create topics: it "
                "has just started or lost it, so try again; or it is the embedded broker, which has its "
                "topics already."
            ) from exc
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise _topic_refused(settings, name, error(message[0] if message else ""))
            outcome[name] = "exists" if code else "created"
    except (KafkaError, OSError, TimeoutError) as exc:
        raise unavailable(settings, exc) from exc
    finally:
        await admin.close()
    return outcome


def _topic_refused(settings: Settings, name: str, exc: KafkaError) -> MienError:
    if isinstance(exc, _DENIED):
        return unavailable(settings, exc)
    return SettingsInvalid(
        f"Kafka refuses to create the topic {name}: {exc}. Check MIEN_TOPIC_PREFIX, MIEN_TOPIC_PARTITIONS "
        "and MIEN_TOPIC_REPLICATION (not more than there are brokers)."
    )
