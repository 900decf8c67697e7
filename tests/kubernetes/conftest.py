"""One cluster for all tests, and a namespace under restricted pod security for each.

`make test-kubernetes` builds the programs and runs what is marked ``kubernetes``. The tests of pure parts
beside them are not marked, and run with all others.
"""

import itertools
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# For cluster.py, for harness.py and their like: tests are no package.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "integration")]
from agent.process import missing_tools
from cluster import Cluster
from control.build import BUILT, ROOT, CannotBuild, build_all
from harness import Chain, lacks
from release import Release

from streams.errors import KafkaServerUnavailable
from streams.local.kafka_jars import fetch_jars
from streams.local.kafka_server import KafkaServer

LIB_DIR = ROOT / ".kafka" / "lib"
RUN = BUILT / "run"
"""Where the last run's logs are."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Kubernetes' control plane and three nodes; a skip where it cannot be built or run, but never in CI."""
    try:
        build_all(keda=False)
    except CannotBuild as cause:
        lacks(f"no control plane: {cause}")
    if missing := missing_tools():
        lacks(f"no containers as processes without {', '.join(missing)}")
    shutil.rmtree(RUN, ignore_errors=True)
    with Cluster(RUN) as running:
        yield running
    shutil.rmtree(RUN / "etcd", ignore_errors=True)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    try:
        fetch_jars(LIB_DIR)
    except KafkaServerUnavailable as cause:
        lacks(str(cause))
    with KafkaServer(short_lived=True, lib_dir=LIB_DIR) as server:
        yield server


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that admits only what the restricted level of pod security allows."""
    with _namespace(cluster) as name:
        yield name


@pytest.fixture(scope="module")
def make_release(
    cluster: Cluster, kafka: KafkaServer, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Release]]:
    """Makes a namespace, a prefix and an empty Redis database for a Mien of so many partitions."""
    numbers = itertools.count(1)
    with ExitStack() as made:

        def make(partitions: int) -> Release:
            name = made.enter_context(_namespace(cluster))
            chain = Chain(
                tmp_path_factory.mktemp(name),
                kafka=kafka.bootstrap,
                redis_url=f"{redis_url.rpartition('/')[0]}/{next(numbers)}",
                prefix=name,
                partitions=partitions,
            )
            made.callback(chain.close)
            return Release(cluster, name, chain)

        yield make


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    levels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": levels}}, namespace=""
    )
    # A pod is refused until the namespace has it.
    look = ("serviceaccounts", "--namespace", name, "--output", "name")
    cluster.eventually(lambda: cluster.kubectl("get", *look), "the namespace's service account is there")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
