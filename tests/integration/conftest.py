"""Real servers, started once for all integration tests, and a chain of its own for each test.

Where a server cannot be had, the tests that need it are skipped with the reason; in CI they fail.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.errors import KafkaServerUnavailable, RedisUnavailable
from streams.local import embedded_servers
from streams.local.kafka_jars import fetch_jars, tool
from streams.local.kafka_server import KafkaServer

sys.path.append(str(Path(__file__).parent))  # for harness.py and clients.py: tests are no package
from harness import SASL, Chain, lacks, unique_prefix

ROOT = Path(__file__).parents[2]
LIB_DIR = ROOT / ".kafka" / "lib"
DISTINCT_PICTURES = 60


@pytest.fixture(scope="session")
def lib_dir() -> Path:
    """Kafka's jars; a skip without Java or Maven, but never in CI."""
    try:
        tool("java")
        fetch_jars(LIB_DIR)
    except KafkaServerUnavailable as error:
        lacks(f"no local Kafka: {error}")
    return LIB_DIR


@pytest.fixture(scope="session")
def kafka(lib_dir: Path) -> Iterator[KafkaServer]:
    with KafkaServer(short_lived=True, lib_dir=lib_dir) as server:
        yield server


@pytest.fixture(scope="session")
def secure_kafka(lib_dir: Path) -> Iterator[KafkaServer]:
    """With SASL over TLS."""
    with KafkaServer(short_lived=True, lib_dir=lib_dir, sasl=SASL, tls=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    try:
        with embedded_servers.redis_server() as url:
            yield url
    except RedisUnavailable as error:
        lacks(error)


@pytest.fixture(scope="session")
def redis_url(redis_server_url: str) -> Callable[[], str]:
    """Each call names another empty database of one server."""
    base = redis_server_url.rpartition("/")[0]
    numbers = itertools.count()
    return lambda: f"{base}/{next(numbers)}"


@pytest.fixture
def make_chain(
    tmp_path: Path, kafka: KafkaServer, redis_url: Callable[[], str]
) -> Iterator[Callable[..., Chain]]:
    """Makes topics, groups and a Redis database that no other test sees; nothing runs yet."""
    made: list[Chain] = []

    def make(**changes: Any) -> Chain:
        servers = {"kafka": kafka.bootstrap, "redis_url": redis_url()}
        made.append(Chain(tmp_path, **(servers | {"prefix": unique_prefix()} | changes)))
        made[-1].create_topics()
        return made[-1]

    yield make
    for chain in made:
        chain.close()


@pytest.fixture
def chain(make_chain: Callable[..., Chain]) -> Chain:
    return make_chain()


@pytest.fixture(scope="session")
def distinct_pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEG files of a face that moves, 320×240."""
    folder = tmp_path_factory.mktemp("pictures")
    animation = Animation(find_script("calm"), 10, (320, 240), 7)
    paths = [folder / f"{index}.jpg" for index in range(DISTINCT_PICTURES)]
    for index, path in enumerate(paths):
        path.write_bytes(encode_jpeg(animation.frame(index), 85))
    return paths


@pytest.fixture
def pictures(distinct_pictures: list[Path], tmp_path: Path) -> Callable[[int], Path]:
    """A folder of so many pictures: there and back again, so that the face never jumps."""

    def make(count: int) -> Path:
        folder = tmp_path / f"pictures-{count}"
        folder.mkdir(exist_ok=True)
        there_and_back = itertools.cycle([*distinct_pictures, *distinct_pictures[-2:0:-1]])
        for index, path in zip(range(count), there_and_back, strict=False):
            (folder / f"{index}.jpg").hardlink_to(path)
        return folder

    return make
