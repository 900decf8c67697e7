"""Each stage with a user of its own, in Kafka and in Redis: it does its work, and can do nothing else."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from harness import SASL, Chain, command, eventually, the_line, unique_prefix

from streams.local import child_process
from streams.local.kafka_server import KafkaServer
from streams.settings import Settings
from workers.upkeep.acls import KafkaRight, redis_commands, rights

PREFIX = unique_prefix()
SETTINGS = Settings(topic_prefix=PREFIX, live_frames=True)
STAGES_AND_OTHERS = ("camera", "landmarks", "classify", "state", "alerts", "live", "probe", "topics")
USERS = {name: f"{PREFIX}-{name}" for name in STAGES_AND_OTHERS}
TOPICS = ("frames", "landmarks", "emotions", "alerts", "cameras", "verdicts", "dead-letters")
READS = {
    "landmarks": {"frames"},
    "classify": {"landmarks"},
    "state": {"emotions"},
    "alerts": {"emotions", "cameras"},
    "live": {"frames", "landmarks", "emotions", "alerts", "cameras", "verdicts"},
    "probe": {"landmarks", "emotions"},
}
WRITES = {
    "camera": {"frames", "cameras"},
    "landmarks": {"landmarks", "dead-letters"},
    "classify": {"emotions", "dead-letters"},
    "state": {"dead-letters"},
    "alerts": {"alerts", "dead-letters"},
    "live": {"verdicts"},
    "probe": {"frames"},
}


def grant(admin: AdminClient, found: list[KafkaRight]) -> None:
    """What the printed commands do."""
    bindings = [
        AclBinding(
            ResourceType[right.resource.upper()],
            right.name,
            ResourcePatternType[right.pattern.upper()],
            f"User:{right.user}",
            "*",
            AclOperation[_constant(operation)],
            AclPermissionType.ALLOW,
        )
        for right in found
        for operation in right.operations
    ]
    for future in admin.create_acls(bindings).values():
        future.result(30)


def _constant(operation: str) -> str:
    """``DescribeConfigs`` → ``DESCRIBE_CONFIGS``."""
    return "".join(f"_{c}" if c.isupper() else c.upper() for c in operation).removeprefix("_")


def signed_in(user: str) -> dict[str, str]:
    """aiokafka's options."""
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": "right-1",
    }


def administrator(server: KafkaServer) -> dict[str, Any]:
    """librdkafka's options for who may do everything."""
    return {
        "bootstrap.servers": server.bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": SASL[0],
        "sasl.password": SASL[1],
        "log_level": 0,
    }


@pytest.fixture(scope="module")
def guarded_kafka(lib_dir: Path) -> Iterator[KafkaServer]:
    """Asks for users, and lets each do what `mien acls` says."""
    users = dict.fromkeys(USERS.values(), "right-1")
    with KafkaServer(
        short_lived=True, lib_dir=lib_dir, sasl=SASL, scram_users=users, super_user=SASL[0]
    ) as server:
        admin = AdminClient(administrator(server))
        topics = [NewTopic(t.name, t.partitions, 1, config=t.config()) for t in SETTINGS.topics]
        for future in admin.create_topics(topics).values():
            future.result(30)
        grant(admin, rights(SETTINGS).kafka)
        yield server


@contextmanager
def own_redis(folder: Path, *options: str) -> Iterator[None]:
    log = (folder / "redis.log").open("wb")
    process = child_process.start(
        [command("redis-server"), "--save", "", "--bind", "127.0.0.1", "--dir", str(folder), *options],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
        log.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and for server, admin and topics a certificate of it with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = command("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, user in {"server": "localhost", "admin": "admin", "topics": USERS["topics"]}.items():
        files = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
        run("req", *key, *files, "-subj", f"/CN={user}")
        signed = ["-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "2", "-extfile", "names"]
        run("x509", "-req", *signed, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    run("pkcs8", "-topk8", "-in", "topics.key", "-out", "topics.locked.key", "-passout", "pass:hunter2")
    return folder


@pytest.fixture(scope="module")
def guarded_redis(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address without the user. By TLS alone, nobody is let in without a name, and each may do what
    `mien acls` says."""
    folder = tmp_path_factory.mktemp("redis")
    lines = [line.removeprefix("ACL SETUSER ") for line in redis_commands(rights(SETTINGS).redis, "right-1")]
    users = ["user default off", *(f"user {line.replace(' reset', '', 1)}" for line in lines)]
    (folder / "users.acl").write_text("\n".join([*users, "user admin on >admin-1 ~* &* +@all", ""]))
    (port,) = child_process.free_ports(1)
    options = {
        "port": 0,
        "tls-port": port,
        "tls-auth-clients": "no",
        "tls-cert-file": certificates / "server.pem",
        "tls-key-file": certificates / "server.key",
        "tls-ca-cert-file": certificates / "ca.pem",
        "aclfile": folder / "users.acl",
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with own_redis(folder, *given):
        address = f"localhost:{port}/0?ssl_ca_certs={certificates / 'ca.pem'}"
        deadline_s = time.monotonic() + 20
        while True:
            try:
                redis.Redis.from_url(f"rediss://admin:admin-1@{address}").ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline_s, (folder / "redis.log").read_text()
                time.sleep(0.05)
        yield address


def user_of(name: str, guarded_redis: str) -> dict[str, Any]:
    """The settings with which a stage signs in."""
    return {
        "kafka_sasl_username": USERS.get(name, "nobody"),
        "redis_url": f"rediss://{PREFIX}-{name}:right-1@{guarded_redis}",
    }


@pytest.fixture
def guarded_chain(tmp_path: Path, guarded_kafka: KafkaServer, guarded_redis: str) -> Iterator[Chain]:
    password = tmp_path / "password"
    password.write_text("right-1\n")
    chain = Chain(
        tmp_path,
        kafka=guarded_kafka.bootstrap,
        redis_url=f"rediss://admin:admin-1@{guarded_redis}",
        prefix=PREFIX,
        partitions=8,  # as the topics have that others of these tests work on
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="nobody",
        kafka_sasl_password="right-1",
        startup_timeout_s=20,
    )
    del chain.variables["kafka_sasl_password"]
    chain.variables["kafka_sasl_password_file"] = password
    yield chain
    chain.close()


def test_every_stage_works_with_its_own_user_and_its_rights_alone(
    guarded_chain: Chain, guarded_redis: str, pictures: Callable[[int], Path]
) -> None:
    chain = guarded_chain
    status, _, err = chain.run("topics", **user_of("topics", guarded_redis))
    assert status == 0, err
    stages = [
        chain.start(name, **user_of(name, guarded_redis)).wait_ready()
        for name in ("landmarks", "classify", "state")
    ]
    rules = chain.folder / "alerts.yaml"
    rules.write_text("rules:\n  - {name: any, emotions: [neutral], probability: 0.1, for: 1s}\n")
    alerts = chain.start("alerts", **user_of("alerts", guarded_redis), alerts_path=rules).wait_ready()
    (live_port,) = child_process.free_ports(1)
    page = chain.start("live", "--frames", **user_of("live", guarded_redis), live_port=live_port).wait_ready()
    camera = chain.start(
        "camera", "--camera", "lobby", "--source", str(pictures(40)), "--lossless", "--as-fast-as-possible",
        **user_of("camera", guarded_redis),
    )  # fmt: skip
    assert camera.wait() == 0, camera.err
    eventually(
        lambda: sum(stages[2].totals("mien_state_events_total", "outcome").values()) == 40,
        lambda: "\n".join(stage.err for stage in stages),
    )
    eventually(lambda: alerts.totals("mien_alerts_total", "state").get("firing"), lambda: alerts.err)
    status, _, err = chain.run("probe", "--once", **user_of("probe", guarded_redis), probe_fps=5)
    assert status == 0, err
    stages += [alerts, page]
    with httpx.Client(base_url=f"http://127.0.0.1:{live_port}/api/v1", trust_env=False) as client:
        (subject,) = client.get("/subjects").json()["items"]
        assert client.get(f"/subjects/{subject['subject_id']}").status_code == 200
        assert client.get(f"/subjects/{subject['subject_id']}/events?points=1").json()["points"]
        (alert, *_) = client.get("/alerts").json()["items"]
        body = {"alert_ids": [alert["alert"]["alert_id"]], "verdict": "confirmed"}
        assert client.post("/verdicts", json=body).status_code == 201
        hall = chain.start(
            "camera", "--camera", "hall", "--source", str(pictures(20)), "--repeat", "--fps", "5",
            **user_of("camera", guarded_redis),
        )  # fmt: skip
        eventually(lambda: client.get("/cameras/hall/picture").status_code == 200, lambda: page.err)
        assert hall.end() == 0, hall.err
        assert client.get("/cameras/mien-probe/picture").status_code == 404
    status, out, err = chain.run("subjects", "--json", **user_of("subjects", guarded_redis))
    assert status == 0, err
    assert '"camera_id":"lobby"' in out
    for name in ("neutral_store", "hand_over"):
        for stage in stages:
            assert not sum(stage.totals(f"mien_{name}_failures_total", "operation").values()), stage.err
    for stage in stages:
        assert stage.end() == 0, stage.err
        assert "right-1" not in stage.err
        assert "NOPERM" not in stage.err
    status, out, err = chain.run("coverage", "lobby", "--json", **user_of("coverage", guarded_redis))
    assert status == 0, err
    assert '"faces":40' in out
    with redis.Redis.from_url(f"rediss://admin:admin-1@{guarded_redis}") as admin:
        assert [entry["object"] for entry in admin.acl_log()] == []  # nothing was refused in silence


@pytest.fixture(scope="module")
def one_message_each(guarded_kafka: KafkaServer) -> None:
    """Something to read in every topic."""
    producer = Producer(administrator(guarded_kafka))
    for topic in TOPICS:
        producer.produce(f"{PREFIX}.{topic}", b"{}", b"key", partition=0)
    assert producer.flush(30) == 0


@pytest.mark.usefixtures("one_message_each")
@pytest.mark.parametrize("name", STAGES_AND_OTHERS)
async def test_a_user_reads_and_writes_nothing_else(guarded_kafka: KafkaServer, name: str) -> None:
    """So classify never sees a picture, and a camera not what others sent."""
    client = {"bootstrap_servers": guarded_kafka.bootstrap, **signed_in(USERS[name])}
    could_read, could_write = set(), set()
    async with AIOKafkaConsumer(**client) as consumer, AIOKafkaProducer(**client) as producer:
        for topic in TOPICS:
            place = TopicPartition(f"{PREFIX}.{topic}", 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            try:
                await asyncio.wait_for(consumer.getone(place), timeout=30)
                could_read.add(topic)
            except TopicAuthorizationFailedError:
                pass
            try:
                await producer.send_and_wait(place.topic, b"", key=b"key", partition=0)
                could_write.add(topic)
            except TopicAuthorizationFailedError:
                pass
    assert could_read == READS.get(name, set())
    assert could_write == WRITES.get(name, set())


@pytest.mark.parametrize(
    "name", ["landmarks", "classify", "state", "alerts", "live", "probe", "subjects", "coverage"]
)
def test_a_redis_user_reaches_no_key_of_another(guarded_redis: str, name: str) -> None:
    keys = {
        "landmarks": {"tracks"},
        "classify": {"neutral"},
        "state": {"state", "window", "coverage:2026-11-29"},
        "alerts": {"alerts", "alert-votes"},
    }
    url = f"rediss://{PREFIX}-{name}:right-1@{guarded_redis}"
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        for command_ in (["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["DEL", "mien:{a}:neutral"]):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command_)
        kinds = "tracks", "neutral", "state", "window", "alerts", "alert-votes", "coverage:2026-11-29"
        for kind in kinds:
            for write in (["SET", f"mien:{{a}}:{kind}", "x"], ["HSET", f"mien:{{a}}:{kind}", "x", "y"]):
                if kind in keys.get(name, set()):
                    continue
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*write)
    with redis.Redis.from_url(f"rediss://admin:admin-1@{guarded_redis}") as admin:
        admin.acl_log_reset()


def test_a_client_certificate_is_a_user(lib_dir: Path, certificates: Path, tmp_path: Path) -> None:
    files = {
        "kafka_ssl_cert_file": certificates / "topics.pem",
        "kafka_ssl_key_file": certificates / "topics.key",
    }
    with KafkaServer(
        short_lived=True, lib_dir=lib_dir, tls=True, client_ca=certificates / "ca.pem", super_user="admin"
    ) as server:
        admin = AdminClient(
            {
                "bootstrap.servers": server.bootstrap,
                "security.protocol": "SSL",
                "ssl.ca.location": str(server.ca_path),
                "ssl.certificate.location": str(certificates / "admin.pem"),
                "ssl.key.location": str(certificates / "admin.key"),
            }
        )
        chain = Chain(
            tmp_path,
            kafka=server.bootstrap,
            redis_url="redis://localhost/0",
            prefix=PREFIX,
            kafka_security_protocol="SSL",
            kafka_ssl_ca_file=server.ca_path,
        )
        try:
            refused = chain.start("topics", **files)
            nobody = chain.start("topics", startup_timeout_s=0)
            locked = {**files, "kafka_ssl_key_file": certificates / "topics.locked.key"}
            without_password = chain.start("topics", **locked)
            assert refused.wait() == 77, refused.err  # known, but may do nothing yet
            assert "`mien acls`" in the_line(refused.err)
            assert nobody.wait() in (69, 77), nobody.err
            assert without_password.wait() == 78
            assert "MIEN_KAFKA_SSL_" in the_line(without_password.err)
            grant(admin, rights(SETTINGS).kafka)
            status, out, err = chain.run("topics", "--json", **locked, kafka_ssl_key_password="hunter2")
            assert status == 0, err
            assert f"{PREFIX}.frames" in out
        finally:
            chain.close()


def test_passwords_are_in_no_arguments_of_a_process(guarded_chain: Chain, guarded_redis: str) -> None:
    """Every user of the machine can read them."""
    source = guarded_chain.folder / "source"
    source.write_text("rtsp://admin:hunter2@127.0.0.1:1/user=admin_password=hunter2\n")
    process = guarded_chain.start(
        "camera", "--camera", "lobby", "--source-file", str(source), **user_of("camera", guarded_redis)
    )
    eventually(lambda: "camera lost" in process.err, lambda: process.err)
    arguments = Path(f"/proc/{process.popen.pid}/cmdline").read_bytes()
    assert b"hunter2" not in arguments
    assert b"right-1" not in arguments
    assert "hunter2" not in process.err
    assert "rtsp://127.0.0.1:1…" in process.err
