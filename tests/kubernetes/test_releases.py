"""Mien's own manifests on real Kafka and Redis, under load: updates, drains, faults, and two side by side.

Frames are of films, none of which may be lost: each has its event once, and each face keeps its id.
"""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cluster import Cluster
from control.build import ROOT
from control.plane import KubectlFailed, condition
from film import Film, playing
from release import MIEN, STAGES, Release, Resource, names, restarts

pytestmark = pytest.mark.kubernetes
FPS = 4
"""Of each camera: what two cores do beside workers that start."""
MODEL_UNUSABLE = 72
TOKEN = "of a test"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


@pytest.fixture(scope="module")
def release(make_release: Callable[[int], Release], tmp_path_factory: pytest.TempPathFactory) -> Release:
    return started(make_release(2), tmp_path_factory)


def started(release: Release, folders: pytest.TempPathFactory, *components: str) -> Release:
    release.apply(*release.render(folders.mktemp("overlay"), *components))
    release.rolled_out(*STAGES)
    return release


def test_a_rolling_update_of_all_stages_at_once_loses_nothing(release: Release) -> None:
    film = Film(release.chain, "update")
    before = {stage: names(release.ready(stage)) for stage in STAGES}
    with playing(film, FPS):
        film.goes_on()
        release.kubectl("rollout", "restart", "deployment", f"--selector={MIEN}")
        release.rolled_out(*STAGES)
        film.goes_on()

    old = set().union(*before.values())
    ended = release.cluster.eventually(
        lambda: (codes := release.cluster.exit_codes(release.namespace)).keys() >= old and codes,
        "the old pods are gone",
    )
    assert {code for name in old for code in ended[name].values()} == {0}
    film.assert_whole()


def test_a_drained_node_waits_for_the_budget_and_work_goes_on(cluster: Cluster, release: Release) -> None:
    film = Film(release.chain, "drain")
    release.scale("landmarks", 2)
    one, other = release.ready("landmarks")
    with playing(film, FPS):
        film.goes_on()
        release.evict(one)
        with pytest.raises(KubectlFailed, match="violate the pod's disruption budget"):
            release.evict(other)

        node = other["spec"]["nodeName"]
        try:
            cluster.kubectl(
                "drain", node, f"--pod-selector={MIEN}", "--delete-emptydir-data", "--timeout=180s"
            )
            assert node not in {pod["spec"]["nodeName"] for stage in STAGES for pod in release.pods(stage)}
            release.rolled_out(*STAGES)
            film.goes_on()
        finally:
            cluster.kubectl("uncordon", node)
    release.scale("landmarks", 1)
    film.assert_whole()


def test_a_model_that_cannot_be_used_stops_the_rollout(release: Release) -> None:
    film = Film(release.chain, "model")
    (old,) = release.ready("classify")
    with playing(film, FPS):
        release.kubectl("set", "env", "deployment/classify", f"MIEN_MODEL_PATH={ROOT / 'README.md'}")

        def fails_again() -> bool:
            new = [pod for pod in release.pods("classify") if names([pod]) != names([old])]
            assert not any(condition(pod, "Ready") for pod in new)
            return any(restarts(pod) >= 1 for pod in new)

        release.cluster.eventually(fails_again, "the new pod has ended and was started again")
        (new,) = (pod for pod in release.pods("classify") if names([pod]) != names([old]))
        (main,) = new["status"]["containerStatuses"]
        ended = {**main["lastState"], **main["state"]}["terminated"]
        assert ended["exitCode"] == MODEL_UNUSABLE
        film.goes_on()
        assert names(release.ready("classify")) == names([old])
        release.kubectl("rollout", "undo", "deployment/classify")
        release.rolled_out("classify")
    film.assert_whole()


def test_liveness_restarts_a_worker_that_hangs(release: Release) -> None:
    film = Film(release.chain, "hang")
    (pod,) = release.ready("classify")
    with playing(film, FPS):
        film.goes_on()
        hung = set(release.processes(pod))
        assert hung
        for process in hung:
            os.kill(process, signal.SIGSTOP)

        def is_back() -> bool:
            (now,) = release.pods("classify")
            return (
                names([now]) == names([pod])
                and restarts(now) == restarts(pod) + 1
                and condition(now, "Ready")
            )

        release.cluster.eventually(is_back, "it was started again in its pod", deadline_s=150)
        film.goes_on()
    film.assert_whole()


def test_the_page_and_its_api_answer_who_may_ask_on_each_pod(
    release: Release, tmp_path_factory: pytest.TempPathFactory
) -> None:
    film = Film(release.chain, "page")
    access = {
        "people": [{"name": "anna", "role": "viewer", "cameras": [film.cameras[0]], "token_sha256": DIGEST}]
    }
    secret = {"access.yaml": json.dumps(access), "secret": "s" * 32}
    made = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mien-live-access"},
        "stringData": secret,
    }
    release.apply(made)
    started(release, tmp_path_factory, "live")
    release.rolled_out("live")
    with playing(film, FPS):
        film.goes_on()
    pods = release.ready("live")
    assert len(pods) == 2
    for pod in pods:
        assert b"<title>Mien</title>" in asked(pod, "/")
        with pytest.raises(HTTPError, match="401"):
            asked(pod, "/api/v1/subjects")
        subjects = json.loads(asked(pod, "/api/v1/subjects", authorization=f"Bearer {TOKEN}"))["items"]
        assert {one["camera_id"] for one in subjects} == {film.cameras[0]}
    film.assert_whole()


def asked(pod: Resource, path: str, **headers: str) -> bytes:
    request = Request(f"http://{pod['status']['podIP']}:8080{path}", headers=headers)
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        return bytes(answer.read())


def test_two_releases_side_by_side_do_not_touch(
    release: Release, make_release: Callable[[int], Release], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One Kafka, a prefix for each; a Redis for each, as in the manifests. They share a camera's id."""
    second = started(make_release(2), tmp_path_factory)
    films = [Film(one.chain, "both") for one in (release, second)]
    for number, film in enumerate(films, start=1):
        film.play(10 * number)
    for film in films:
        film.assert_whole()
    assert set(second.chain.frames()) == set(films[1].cameras)

    second.kubectl("delete", "deployment", f"--selector={MIEN}")
    second.cluster.eventually(lambda: not second.pods("landmarks"), "the second's are gone")
    more = Film(release.chain, "alone")
    more.play(10)
    more.assert_whole()
