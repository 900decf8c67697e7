"""One cluster for all tests, and a namespace under restricted pod security for each.

`make test-kubernetes` builds the programs and runs what is marked ``kubernetes``. The tests of pure parts
beside them are not marked, and run with all others.
"""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for cluster.py and its like: tests are no package
from agent.process import missing_tools
from cluster import Cluster
from control.build import BUILT, CannotBuild, build_all

RUN = BUILT / "run"
"""Where the last run's logs are."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Kubernetes' control plane and three nodes; a skip where it cannot be built or run, but never in CI."""
    try:
        build_all(keda=False)
    except CannotBuild as cause:
        _lacks(f"no control plane: {cause}")
    if missing := missing_tools():
        _lacks(f"no containers as processes without {', '.join(missing)}")
    shutil.rmtree(RUN, ignore_errors=True)
    with Cluster(RUN) as running:
        yield running
    shutil.rmtree(RUN / "etcd", ignore_errors=True)


def _lacks(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that admits only what the restricted level of pod security allows."""
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
