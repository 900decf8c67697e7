"""What a user sees when a command cannot start: an exit status, one clear line, no traceback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import COMMANDS, Chain, the_line, unique_prefix

from streams.local.child_process import free_ports
from streams.local.kafka_server import KafkaServer


def nobody() -> str:
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Chain]:
    """A chain whose Kafka and Redis nobody started."""
    chain = Chain(
        tmp_path,
        kafka=nobody(),
        redis_url=f"redis://:secret-1@{nobody()}/0",
        prefix=unique_prefix(),
        startup_timeout_s=1,
    )
    yield chain
    chain.close()


def test_without_kafka_every_command_says_so_and_ends_with_69(lonely: Chain) -> None:
    processes = {name: lonely.start(*arguments) for name, arguments in COMMANDS.items()}
    for name, process in processes.items():
        assert process.wait() == 69, (name, process.err)
        line = the_line(process.err)
        assert lonely.bootstrap in line
        assert "MIEN_KAFKA_BOOTSTRAP_SERVERS" in line


def test_without_redis_state_and_subjects_say_so_and_end_with_69(chain: Chain) -> None:
    address = nobody()
    url = f"redis://:secret-1@{address}/0"
    for arguments in (["state"], ["subjects", "--json"]):
        status, out, err = chain.run(*arguments, redis_url=url, startup_timeout_s=1)
        assert status == 69, err
        line = the_line(err)
        assert address in line
        assert "MIEN_REDIS_URL" in line
        assert "secret-1" not in out + err


def test_a_missing_or_corrupt_model_ends_classify_with_72_and_its_path(chain: Chain, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"no model")
    for path in (tmp_path / "missing.onnx", corrupt):
        status, _, err = chain.run("classify", model_path=path)
        assert status == 72, err
        assert str(path) in the_line(err)


@pytest.mark.parametrize(
    ("arguments", "changes", "status", "telling"),
    [
        (["camera", "--id", "a", "--source", "/no/such/film.mp4"], {}, 66, "/no/such/film.mp4"),
        (["camera", "--id", "a/b", "--source", "demo:calm"], {}, 78, "a/b"),
        (["landmarks"], {"kafka_sasl_username": "mien"}, 78, "MIEN_KAFKA_SECURITY_PROTOCOL"),
        (["landmarks"], {"max_faces": "many"}, 78, "MIEN_MAX_FACES"),
        (["classify"], {"operating_point": "brave"}, 78, "MIEN_OPERATING_POINT"),
        (["state"], {"redis_url": "not-a-url"}, 78, "MIEN_REDIS_URL"),
    ],
)
def test_wrong_options_and_settings_are_named(
    chain: Chain, arguments: list[str], changes: dict[str, str], status: int, telling: str
) -> None:
    got, _, err = chain.run(*arguments, **changes)
    assert got == status, err
    assert telling in the_line(err)


def test_without_its_topics_a_stage_ends_with_69_and_kafka_does_not_invent_them(
    tmp_path: Path, kafka: KafkaServer, redis_url: Callable[[], str]
) -> None:
    chain = Chain(tmp_path, kafka=kafka.bootstrap, redis_url=redis_url(), prefix=unique_prefix())
    try:
        for command in ("landmarks", "camera"):
            status, _, err = chain.run(*COMMANDS[command], startup_timeout_s=1)
            assert status == 69, err
            assert f"no topic {chain.prefix}." in the_line(err)
            assert "mien topics" in the_line(err)
        assert not [
            name for name in chain.admin.list_topics(timeout=10).topics if name.startswith(chain.prefix)
        ]
    finally:
        chain.close()
