"""Landmarks from one worker to as many as there are partitions and back, on the lag of a real Kafka."""

import time
from collections.abc import Callable

import pytest
from film import Film, playing, repeated
from lag_metrics import autoscaler, lag_metrics, lags
from release import STAGES, Release

pytestmark = pytest.mark.kubernetes
PARTITIONS = 8
AHEAD = 120
"""So many frames at least wait in each partition until all workers are there: others do not count."""


@pytest.fixture(scope="module")
def objects(
    make_release: Callable[[int], Release], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Release, dict[str, dict[str, object]]]:
    """A release of one worker a stage that runs, and its ScaledObjects."""
    release = make_release(PARTITIONS)
    made = release.render(tmp_path_factory.mktemp("overlay"), "keda")
    release.apply(*(one for one in made if one["kind"] != "ScaledObject"))
    release.rolled_out(*STAGES)
    return release, {one["metadata"]["name"]: one for one in made if one["kind"] == "ScaledObject"}


def test_lag_brings_all_workers_and_calm_takes_them_away_and_nothing_is_lost(
    objects: tuple[Release, dict[str, dict[str, object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    release, scaled = objects
    film, chain = Film(release.chain, "hall"), release.chain
    group, topic = chain.settings.group("landmarks"), chain.settings.topics.frames.name

    def lag() -> list[int]:
        return lags(chain.admin, group, topic, PARTITIONS)

    def keep_ahead() -> None:
        if min(lag()) < AHEAD:
            film.play(40)

    began_s, steps = time.monotonic(), list[str]()

    def workers(wanted: int, deadline_s: float) -> None:
        def there() -> bool:
            ready = len(release.ready("landmarks"))
            if not steps or not steps[-1].startswith(f"{ready} "):
                steps.append(f"{ready} at {time.monotonic() - began_s:.0f} s (lag {sum(lag())})")
            return ready == wanted == len(release.pods("landmarks"))

        release.cluster.eventually(there, lambda: f"{wanted} workers: {steps}", deadline_s)

    film.play(AHEAD)
    with lag_metrics(release.cluster, chain.bootstrap, scaled["landmarks"]):
        release.apply(autoscaler(scaled["landmarks"]))
        with repeated(keep_ahead, 0.5):
            workers(PARTITIONS, deadline_s=240)
        release.cluster.eventually(lambda: sum(lag()) == 0, lambda: f"lag is {lag()}", deadline_s=240)
        steps.append(f"no lag at {time.monotonic() - began_s:.0f} s")
        workers(1, deadline_s=240)
        film.assert_whole()
        release.kubectl("delete", "horizontalpodautoscaler", "landmarks")
    with capsys.disabled():
        print(f"\nlandmarks workers: {', '.join(steps)}; {film.frames * PARTITIONS} frames, none lost")


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 4), (4, 2), (2, 1)])
def test_a_step_costs_live_cameras_some_frames_at_most(
    objects: tuple[Release, dict[str, dict[str, object]]],
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
    with capsys.disabled():
        print(
            f"\n{before} → {after} workers: of {len(frames)} frames of each camera in {took_s:.0f} s "
            f"{sum(lost.values()) / PARTITIONS:.1f} were left out on average, {max(lost.values())} at most"
        )
    assert all(count < len(frames) for count in lost.values())
