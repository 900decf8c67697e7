"""KEDA scales landmarks, on the lag of a real Kafka and on the age of frames in a real Prometheus."""

import copy
import json
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

import pytest
from cluster import Cluster
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from control.build import CannotBuild, build_all
from control.keda import start_keda
from film import Film, playing, repeated
from harness import Chain, lacks
from prometheus_pod import prometheus
from release import STAGES, Release

pytestmark = pytest.mark.kubernetes
Resource = dict[str, Any]
PARTITIONS = 8
AHEAD = 120
"""So many frames at least wait in each partition until all workers are there: others do not count."""
FASTER = 20
"""Times as fast as the manifests say do the tests scale; the steps are theirs."""
OVERLOAD_FPS = 25
"""Of each of eight cameras: more than one worker does."""


@pytest.fixture(scope="module")
def keda(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """It and a Prometheus, each where the manifests expect it; never skipped in CI."""
    try:
        build_all()
    except CannotBuild as cause:
        lacks(f"no KEDA: {cause}")
    with prometheus(cluster):
        start_keda(cluster, tmp_path_factory.mktemp("keda"))
        yield


@pytest.fixture(scope="module")
def objects(
    make_release: Callable[[int], Release], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Release, dict[str, Resource]]:
    """A release of one worker a stage that runs, and its ScaledObjects."""
    release = make_release(PARTITIONS)
    made = release.render(tmp_path_factory.mktemp("overlay"), "keda")
    release.apply(*(one for one in made if one["kind"] != "ScaledObject"))
    release.rolled_out(*STAGES)
    return release, {one["metadata"]["name"]: one for one in made if one["kind"] == "ScaledObject"}


class Steps:
    """Who is there, and since when: for the log."""

    def __init__(self, release: Release) -> None:
        self._release, self._began_s = release, time.monotonic()
        self.told: list[str] = []
        self._ready = -1

    def tell(self, what: str) -> None:
        self.told.append(f"{what} at {time.monotonic() - self._began_s:.0f} s")

    def wait(self, wanted: Callable[[int], bool], deadline_s: float = 240) -> None:
        def there() -> bool:
            ready = len(self._release.ready("landmarks"))
            if ready != self._ready:
                self._ready = ready
                self.tell(str(ready))
            return wanted(ready) and ready == len(self._release.pods("landmarks"))

        self._release.cluster.eventually(there, lambda: f"other workers than {self.told}", deadline_s)


@pytest.mark.usefixtures("keda")
def test_lag_brings_all_workers_and_calm_takes_them_away_and_nothing_is_lost(
    objects: tuple[Release, dict[str, Resource]], capsys: pytest.CaptureFixture[str]
) -> None:
    release, scaled = objects
    film, chain = Film(release.chain, "hall"), release.chain
    group, topic = chain.settings.group("landmarks"), chain.settings.topics.frames.name

    def lag() -> list[int]:
        return lags(chain.admin, group, topic, PARTITIONS)

    def keep_ahead() -> None:
        if min(lag()) < AHEAD:
            film.play(40)

    film.play(AHEAD)
    steps = Steps(release)
    release.apply(faster(scaled["landmarks"]))
    with repeated(keep_ahead, 0.5):
        steps.wait(lambda ready: ready == PARTITIONS)
    release.cluster.eventually(lambda: sum(lag()) == 0, lambda: f"lag is {lag()}", deadline_s=240)
    steps.tell("no lag")
    steps.wait(lambda ready: ready == 1)
    film.assert_whole()
    release.kubectl("delete", "scaledobject", "landmarks")
    with capsys.disabled():
        print(f"\nlandmarks workers, by lag: {', '.join(steps.told)}")
        print(f"{film.frames * PARTITIONS} frames, none lost")


@pytest.mark.usefixtures("keda")
def test_late_pictures_bring_workers_even_where_lag_is_not_asked_for(
    objects: tuple[Release, dict[str, Resource]], capsys: pytest.CaptureFixture[str]
) -> None:
    """How late the cameras themselves are is the query's too, so that these are pods here."""
    release, scaled = objects
    by_age = faster(scaled["landmarks"])
    by_age["spec"]["triggers"] = [one for one in by_age["spec"]["triggers"] if one["type"] == "prometheus"]
    by_age["spec"]["maxReplicaCount"] = 3
    film = Film(release.chain, "late", "live")
    release.kubectl("set", "env", "statefulset/cameras", "SHARDS=1")
    release.kubectl("scale", "statefulset/cameras", "--replicas=1")
    release.cluster.eventually(lambda: release.ready("camera"), "the cameras' pod is ready", deadline_s=180)
    release.apply(by_age)
    steps = Steps(release)
    steps.wait(lambda ready: ready == 1)
    with playing(film, OVERLOAD_FPS):
        steps.wait(lambda ready: ready >= 2)
        steps.tell("no more frames than the cameras'")
    steps.wait(lambda ready: ready == 1, deadline_s=300)
    release.kubectl("delete", "scaledobject", "landmarks")
    release.kubectl("scale", "statefulset/cameras", "--replicas=0")
    release.cluster.eventually(lambda: not release.pods("camera"), "the cameras' pod is gone")
    with capsys.disabled():
        print(f"\nlandmarks workers, by age: {', '.join(steps.told)}")


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 4), (4, 2), (2, 1)])
def test_a_step_costs_live_cameras_some_frames_at_most(
    objects: tuple[Release, dict[str, Resource]],
    before: int,
    after: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """How many depends on the machine: docs/operations.md has what was measured."""
    release, _ = objects
    release.scale("landmarks", before)
    film = Film(release.chain, f"live-{before}-{after}", "live")
    with playing(film, 2):
        film.goes_on()
        began_s, began = time.monotonic(), film.frames
        release.scale("landmarks", after)
        film.goes_on()
        took_s, frames = time.monotonic() - began_s, range(began, film.frames - 4)
    seen = release.chain.seen()
    lost = {camera: len(set(frames) - seen.get(camera, set())) for camera in film.cameras}
    ages = sorted(ages_ms(release.chain, film.cameras, frames))
    with capsys.disabled():
        print(
            f"\n{before} → {after} workers: of {len(frames)} frames of each camera in {took_s:.0f} s "
            f"{sum(lost.values()) / PARTITIONS:.1f} were left out on average, {max(lost.values())} at most; "
            f"events were {ages[len(ages) // 2]} ms old on Kafka at the median, {ages[-1]} at most"
        )
    assert all(count < len(frames) for count in lost.values())


def ages_ms(chain: Chain, cameras: Collection[str], frames: range) -> Iterator[int]:
    """From the capture of these frames to their events on Kafka."""
    for message in chain.tail("emotions").poll():
        event = json.loads(message.value())
        if event["camera_id"] in cameras and event["frame_seq"] in frames:
            captured_ms = round(datetime.fromisoformat(event["captured_at"]).timestamp() * 1000)
            yield message.timestamp()[1] - captured_ms


def faster(scaled: Resource) -> Resource:
    """A ScaledObject that waits less long between its steps."""
    quick = copy.deepcopy(scaled)
    for direction in quick["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"].values():
        direction["stabilizationWindowSeconds"] //= FASTER
        for policy in direction["policies"]:
            policy["periodSeconds"] //= FASTER
    return quick


def lags(admin: AdminClient, group: str, topic: str, partitions: int) -> list[int]:
    """Messages that wait, for each partition; all there are where nothing was committed yet."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(partitions)])
    committed = admin.list_consumer_group_offsets([asked])[group].result(30).topic_partitions
    ends = admin.list_offsets({TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)})
    end = {one.partition: future.result(30).offset for one, future in ends.items()}
    return [end[one.partition] - max(one.offset, 0) for one in committed]
