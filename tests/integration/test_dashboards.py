"""Every query of every panel, asked of a real Prometheus that scrapes a running chain as two Miens.

What runs is told in `workers.dashboards.trial_run`: stages, alerts, a probe, cameras, one of them lost, an
alert on a face that fires, and a message that is refused.
"""

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import command, eventually, unique_prefix
from PIL import Image

from streams.errors import ServiceUnavailable
from streams.local.kafka_server import KafkaServer
from workers.dashboards import board_queries, local_prometheus, picture, trial_run
from workers.dashboards.board_queries import Shown, Target
from workers.dashboards.local_prometheus import LocalPrometheus, Series
from workers.dashboards.trial_run import Trial

FOLDER = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboards"
BOARDS = board_queries.read_all(FOLDER)
PANELS = [panel for name, board in BOARDS.items() for panel in board_queries.panels_of(name, board)]
ASKED = {
    f"{panel.board}: {panel.title}: {target.legend}": target for panel in PANELS for target in panel.targets
}
SHOWN_S = 120.0
ANSWER_DEADLINE_S = 120.0

each_query = pytest.mark.parametrize("target", ASKED.values(), ids=ASKED)


@pytest.fixture(scope="module")
def trial(kafka: KafkaServer) -> Iterator[Trial]:
    command("prometheus")
    with trial_run.running(kafka.bootstrap, topic_prefix=unique_prefix()) as running:
        yield running


def shown(namespace: str, cluster: str = trial_run.CLUSTER, camera: str = ".*") -> Shown:
    now_s = time.time()
    return Shown(cluster, namespace, now_s - SHOWN_S, now_s, trial_run.SCRAPE_INTERVAL_S, camera)


def ask(trial: Trial, target: Target, namespace: str) -> list[Series]:
    """The answer, once there is one: some numbers take a few scrapes."""
    return eventually(
        lambda: board_queries.answer(trial.prometheus, target, shown(namespace)),
        f"an answer to {target.expr}",
        ANSWER_DEADLINE_S,
    )


def names(series: list[Series]) -> set[str]:
    """Of cameras and rules in an answer."""
    return {one.labels[label] for one in series for label in ("camera", "rule") if one.labels.get(label)}


@each_query
def test_it_is_answered_for_each_of_two_miens_and_never_with_the_others_series(
    trial: Trial, target: Target
) -> None:
    mine, others = (ask(trial, target, space) for space in (trial_run.NAMESPACE, trial_run.OTHER_NAMESPACE))

    assert not {name for name in names(mine) if name.startswith(trial_run.OTHERS_MARK)}
    assert all(name.startswith(trial_run.OTHERS_MARK) for name in names(others) - {"nobody", "other"})


@each_query
def test_it_says_nothing_where_there_is_no_mien(trial: Trial, target: Target) -> None:
    """Not even 0: nothing there is not the same as none."""
    assert board_queries.answer(trial.prometheus, target, shown("nobody")) == []
    assert board_queries.answer(trial.prometheus, target, shown(trial_run.NAMESPACE, "elsewhere")) == []


def now(trial: Trial, title: str, namespace: str = trial_run.NAMESPACE, **choice: str) -> dict[str, float]:
    """The last values of a panel, by their names."""
    (panel,) = (panel for panel in PANELS if f"{panel.board}: {panel.title}" == title)
    found = {}
    for target in panel.targets:
        for series in board_queries.answer(trial.prometheus, target, shown(namespace, **choice)):
            found[board_queries.name_of(target, series)] = series.points[-1][1]
    return found


def test_two_miens_are_not_added_up(trial: Trial) -> None:
    """Both are the same processes, so each has their number and not twice that."""
    for namespace in (trial_run.NAMESPACE, trial_run.OTHER_NAMESPACE):
        found = now(trial, "pipeline: Processes that answer", namespace)
        assert found == {
            "camera": 3,
            **dict.fromkeys(("landmarks", "classify", "state", "alerts", "probe", "live"), 1),
        }


def test_the_wall_shows_the_lost_camera_and_the_alert(trial: Trial) -> None:
    assert now(trial, "wall: Cameras that give pictures") == {"give pictures": 2, "of": 3}
    assert now(trial, "wall: Cameras that give pictures", camera="lobby-1") == {"give pictures": 1, "of": 1}
    assert now(trial, "wall: Alerts on faces")["firing"] >= 1
    assert now(trial, "alerts: File of rules") == {"file": 1}
    assert now(trial, "alerts: Rules in force") == {"rules": 2}


def test_what_people_said_of_the_alert_is_shown(trial: Trial) -> None:
    found = eventually(lambda: now(trial, "alerts: Right, by rule"), "the precision of a rule")
    assert (found["Right"], found["To"]) == (1.0, 1.0)
    assert 0.2 < found["From"] < 1  # of one alert 0.21, of two 0.34
    said = now(trial, "alerts: Verdicts in an hour")
    assert said["confirmed"] > 0
    assert (said["rejected"], said["unsure"]) == (0, 0)
    assert now(trial, "alerts: Not judged").keys() == {"alerts"}


def test_the_alert_on_the_lost_camera_is_shown(trial: Trial) -> None:
    (panel,) = (panel for panel in PANELS if panel.title == "Which and where")

    def lost() -> list[Series]:
        found = board_queries.answer(trial.prometheus, panel.targets[0], shown(trial_run.NAMESPACE))
        return [one for one in found if one.labels.get("camera") == trial_run.LOST_CAMERA]

    alerts = eventually(lost, "an alert on the lost camera")
    assert {one.labels["alertname"] for one in alerts} >= {"MienCameraDown"}
    others = board_queries.answer(trial.prometheus, panel.targets[0], shown(trial_run.NAMESPACE))
    assert "MienAlertRulesNotCurrent" not in {one.labels["alertname"] for one in others}


def test_the_choices_at_the_top_are_answered(trial: Trial) -> None:
    """`label_values` of a selector, as Grafana asks for what can be chosen."""
    found: dict[str, set[str]] = {}
    for variable in BOARDS["wall"]["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = (
                variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            )
            series = trial.prometheus.at(shown(trial_run.NAMESPACE).fill(selector), time.time())
            found[label] = {one.labels[label] for one in series}

    assert found == {
        "cluster": {trial_run.CLUSTER},
        "namespace": {trial_run.NAMESPACE, trial_run.OTHER_NAMESPACE},
        "camera": {"lobby-1", "lobby-2", trial_run.LOST_CAMERA},
    }


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_picture_is_drawn_of_the_answers(trial: Trial, board: Mapping[str, Any]) -> None:
    drawn = picture.picture("board", board, trial.prometheus, shown(trial_run.NAMESPACE))

    with Image.open(io.BytesIO(drawn)) as image:
        assert image.format == "PNG"
        assert image.width == picture.WIDTH_IN * picture.DPI
        colors = image.convert("RGB").getcolors(image.width * image.height)
        assert colors is not None
        assert len(colors) > 16  # of frames, lines, bars and letters


def test_a_query_that_is_none_is_refused_with_prometheus_words(trial: Trial) -> None:
    with pytest.raises(ValueError, match=r"parse error.* in sum\($"):
        trial.prometheus.at("sum(", time.time())


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    command("prometheus")
    with (
        pytest.raises(ServiceUnavailable, match="does not start"),
        local_prometheus.running([], "groups: [nonsense]", tmp_path, interval_s=1),
    ):
        pass


def test_nobody_there_is_not_ready() -> None:
    assert not LocalPrometheus(1).is_ready()
