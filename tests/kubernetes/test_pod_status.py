"""Phases and conditions from what containers did, verdicts from what probes saw, and names from services."""

import pytest
from agent import pod_status
from agent.hosts import hosts_file
from agent.image import BIN, dockerfile_environment, image
from agent.pod_status import ContainerState
from agent.probes import Streak


def states(*codes: int | str) -> list[ContainerState]:
    """A number is the exit code of one that has ended."""
    found = []
    for number, code in enumerate(codes):
        one = ContainerState(f"c{number}", "image")
        if isinstance(code, int):
            one.running()
            one.terminated(code)
        elif code == "running":
            one.running()
        found.append(one)
    return found


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param(states("waiting"), "Pending", id="waiting"),
        pytest.param(states("running", "waiting"), "Pending", id="one-waiting"),
        pytest.param(states("running", 0), "Running", id="one-ended"),
        pytest.param(states(0, 0), "Succeeded", id="all-ended"),
        pytest.param(states(0, 137), "Failed", id="one-failed"),
    ],
)
def test_phase(containers: list[ContainerState], expected: str) -> None:
    assert pod_status.phase([], containers, initialized=True, init_failed=False) == expected


def test_a_pod_runs_as_long_as_its_sidecar_does() -> None:
    assert pod_status.phase(states("running"), states(0), initialized=True, init_failed=False) == "Running"
    assert pod_status.phase(states(0), states(0), initialized=True, init_failed=False) == "Succeeded"


def test_phase_of_a_pod_whose_container_waits_for_a_restart_is_running() -> None:
    (one,) = states(1)
    one.waiting("CrashLoopBackOff")
    one.restarts = 1

    assert pod_status.phase([], [one], initialized=True, init_failed=False) == "Running"
    assert one.last_state["terminated"]["exitCode"] == 1


def test_conditions_keep_their_times_while_they_hold() -> None:
    (one,) = states("running")
    before = {
        "startTime": "2026-01-01T00:00:00Z",
        "conditions": [
            {"type": "Initialized", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:01Z"},
        ],
    }
    one.ready = True

    found = pod_status.pod_status(before, "127.20.1.1", [], [one], initialized=True)

    times = {condition["type"]: condition["lastTransitionTime"] for condition in found["conditions"]}
    assert times["Initialized"] == "2026-01-01T00:00:01Z"
    assert times["Ready"] > "2026-01-01T00:00:01Z"
    assert found["startTime"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("results", "good", "verdicts"),
    [
        pytest.param("ffp", False, "--+", id="becomes-ready"),
        pytest.param("ffpff", True, "+++++", id="too-few-failures"),
        pytest.param("pfff", True, "+++-", id="three-in-a-row"),
    ],
)
def test_a_streak_changes_its_verdict_at_the_threshold(results: str, good: bool, verdicts: str) -> None:
    streak = Streak(failure_threshold=3, success_threshold=1, good=good)

    assert "".join("+" if streak.add(result == "p") else "-" for result in results) == verdicts


def test_only_the_last_failures_in_a_row_count() -> None:
    streak = Streak(failure_threshold=2, success_threshold=1, good=True)

    seen = []
    for passed in (False, True, False, False):
        streak.add(passed)
        seen.append(streak.failed_for_good)

    assert seen == [False, False, False, True]


def test_hosts_file() -> None:
    own = {"metadata": {"name": "me", "namespace": "n"}, "spec": {}}
    kafka = {
        "metadata": {"name": "kafka-0", "namespace": "n", "labels": {"app": "kafka", "more": "x"}},
        "spec": {"hostname": "kafka-0", "subdomain": "kafka"},
    }
    elsewhere = {
        "metadata": {"name": "kafka-0", "namespace": "other", "labels": {"app": "kafka"}},
        "spec": {},
    }
    services = [
        {"metadata": {"name": "kafka", "namespace": "n"}, "spec": {"selector": {"app": "kafka"}}},
        {"metadata": {"name": "nobody", "namespace": "n"}, "spec": {"selector": {"app": "nobody"}}},
        {"metadata": {"name": "bare", "namespace": "n"}, "spec": {}},
        {
            "metadata": {"name": "redis", "namespace": "other"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
    ]

    found = hosts_file(own, "127.20.1.9", services, [(elsewhere, "127.20.1.1"), (kafka, "127.20.1.2")])

    assert found.splitlines() == [
        "127.0.0.1 localhost",
        "127.20.1.9 me",
        "127.20.1.2 kafka kafka.n kafka.n.svc kafka.n.svc.cluster.local",
        "127.20.1.2 kafka-0.kafka kafka-0.kafka.n kafka-0.kafka.n.svc kafka-0.kafka.n.svc.cluster.local",
        "127.0.0.1 redis.other redis.other.svc redis.other.svc.cluster.local",
    ]


def test_images_by_their_name_alone() -> None:
    assert image("ghcr.io/kedacore/keda:main").files == {"/keda": BIN / "keda-operator"}
    assert image("registry.example:5000/a/mien@sha256:0").entrypoint == ["mien"]
    assert (image("other").entrypoint, image("other").files) == ([], {})


def test_the_image_has_the_variables_of_the_last_stage() -> None:
    stage = 'FROM b\n# why\nENV PATH=/x:$PATH \\\n    B=2\nENTRYPOINT ["c"]\nCMD ["D=4"]\n'
    text = f"FROM a AS build\nENV A=0\n{stage}"

    assert dockerfile_environment(text) == {"PATH": "/x:$PATH", "B": "2"}
