"""`mien reproduce` on a made-up CK+: portraits that smile and wonder, stretched into several persons."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up import samples_of
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from models.judging import paper_reproduction
from models.judging.paper_reproduction import reproduce
from models.samples.dataset import EMOTIONS, Samples
from models.staged.portrait import Head
from models.training.network import Network, with_twins
from models.training.training_recipe import Progress, TrainConfig, TrainedModel, train
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import reproduce as command

QUIET = Console(file=io.StringIO())
CK_NUMBERS = {"happiness": 5, "surprise": 7}
PERSONS = 3


def samples(people: int = 12, seed: int = 0) -> Samples:
    """Neutral faces, smiles and open mouths."""
    rng = np.random.default_rng(seed)
    label = np.tile(np.array([0, 1, 2], np.int32), people)
    points = CANONICAL + rng.normal(0, 0.004, (len(label), 468, 3)).astype(np.float32)
    for emotion, region, down in ((1, "mouth corner", -0.1), (2, "chin", 0.1)):
        moving = np.array([name.startswith(region) for name in REGION])
        points[np.ix_(label == emotion, moving, np.array([1]))] += down
    return samples_of(points, label, subject=np.repeat(np.arange(people, dtype=np.int32), 3))


TRAINED_ON: list[Samples] = []


@pytest.fixture(scope="module")
def template() -> TrainedModel:
    few = samples(20).take(LandmarkSet("few", np.array([1, 61, 152, 291])))
    held_out = few.subject % 5 == 0
    config = TrainConfig(steps=5, batch=16, even_modes=2, odd_modes=2, hidden=4, landmarks=4)
    return train(config, replace(few, validation=held_out))


@pytest.fixture
def ridge(template: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in a moment: a ridge regression, written as the network that computes it.

    SiLU is the identity far above zero, so the hidden layer hands the scores on.
    """
    TRAINED_ON.clear()

    def fit(config: TrainConfig, chosen: Samples, progress: Progress) -> TrainedModel:
        TRAINED_ON.append(chosen)
        points = chosen.points[~chosen.validation]
        label = chosen.label[~chosen.validation]
        baseline = points[label == 0].mean(axis=0)
        x = (points - baseline).reshape(len(points), -1)
        y = 4 * (np.eye(8)[label] - np.eye(8)[0])  # what the baseline shows is neutral
        w = x.T @ np.linalg.solve(x @ x.T + 0.01 * np.eye(len(x)), y)
        eye = np.eye(8, dtype=np.float32)
        up = np.full(8, 12, np.float32)
        own = Network(w.astype(np.float32), up + 4 * eye[0], eye, -up, 1e6)
        network = with_twins(own, chosen.landmark_set.mirror)
        progress(config.steps, config.steps, 0.0)
        return replace(
            template,
            network=network,
            landmark_set=chosen.landmark_set,
            population_baseline=baseline.astype(np.float32),
        )

    monkeypatch.setattr(paper_reproduction, "train", fit)


@pytest.mark.usefixtures("ridge")
def test_each_face_is_judged_by_networks_that_never_saw_its_person() -> None:
    faces = samples()
    result, models = reproduce(TrainConfig(), faces, 4)

    assert len(TRAINED_ON) == 4 * 3
    seen = [set(chosen.subject.tolist()) for chosen in TRAINED_ON]
    tested = [set(range(12)) - people for people in seen]
    assert all(len(people) == 3 for people in tested)
    assert set.union(*tested) == set(range(12))
    for chosen in TRAINED_ON:
        fit, calibration = chosen.subject[~chosen.validation], chosen.subject[chosen.validation]
        assert not set(fit.tolist()) & set(calibration.tolist())
        assert len(set(calibration.tolist())) == 3
    assert [len(chosen.landmark_set) for chosen in TRAINED_ON[:3]] == [468, 128, 128]
    assert [len(model.landmark_set) for model in models] == [468, 128]
    assert list(result.arms) == ["all468", "ig128", "random128"]
    assert [arm.landmarks for arm in result.arms.values()] == [468, 128, 128]


@pytest.mark.usefixtures("ridge")
def test_figures_of_easy_faces() -> None:
    result, _ = reproduce(TrainConfig(), samples(), 4)

    assert (result.subjects, result.folds) == (12, 4)
    assert {name: n for name, n in result.faces.items() if n} == {
        "neutral": 12,
        "happiness": 12,
        "surprise": 12,
    }
    assert result.always_no == pytest.approx({"happiness": 2 / 3, "surprise": 2 / 3})
    for name in ("all468", "ig128"):
        arm = result.arms[name]
        assert arm.accuracy > 0.95
        for figures in arm.targets.values():
            assert (figures.recall or 0) > 0.9
            assert figures.one_vs_rest_accuracy > 0.95
        for emotion, of_folds in arm.one_vs_rest_accuracy_of_folds.items():
            mean = np.mean(of_folds)  # folds are equally large
            assert arm.targets[emotion].one_vs_rest_accuracy == pytest.approx(mean)


@pytest.mark.usefixtures("ridge")
def test_points_are_ranked_by_training_faces_alone() -> None:
    """Spoiling the faces of one fold leaves the points of the networks that test on it as they were."""
    faces = samples()
    reproduce(TrainConfig(), faces, 4)
    before = [chosen.landmark_set for chosen in TRAINED_ON]
    first = ~np.isin(faces.subject, TRAINED_ON[0].subject)
    TRAINED_ON.clear()
    spoilt = faces.points.copy()
    spoilt[first] += np.random.default_rng(1).normal(0, 1, spoilt[first].shape).astype(np.float32)
    reproduce(TrainConfig(), replace(faces, points=spoilt), 4)

    assert [chosen.landmark_set for chosen in TRAINED_ON][:3] == before[:3]


@pytest.mark.usefixtures("ridge")
@pytest.mark.parametrize(
    ("spoil", "folds", "message"),
    [
        (lambda s: s, 2, "three folds at least"),
        (lambda s: s, 13, "12 persons are too few for 13 folds"),
        (lambda s: replace(s, subject=np.full(len(s), -1, np.int32)), 3, "unknown persons"),
        (lambda s: replace(s, label=np.minimum(s.label, 1)), 3, "no face is labelled surprise"),
    ],
)
def test_what_cannot_be_reproduced(spoil: Callable[[Samples], Samples], folds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reproduce(TrainConfig(), spoil(samples()), folds)


@pytest.fixture(scope="module")
def ck_plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CK+'s layout: S001 to S003, each with a smile and a surprise, from a face at rest to the peak."""
    folder = tmp_path_factory.mktemp("CK+")
    head = Head(1.2)
    for person in range(PERSONS):
        for sequence, (emotion, number) in enumerate(CK_NUMBERS.items(), start=1):
            name = f"S{person + 1:03}/{sequence:03}"
            images, labels = folder / "cohn-kanade-images" / name, folder / "Emotion" / name
            images.mkdir(parents=True)
            labels.mkdir(parents=True)
            for frame, intensity in enumerate((0.0, 0.8, 0.9, 1.0), start=1):
                drawn = head.draw({emotion: intensity})
                height, width = drawn.shape[:2]
                picture = np.asarray(
                    cv2.resize(drawn, (width, round(height * (0.93 + 0.07 * person)))), np.uint8
                )
                stem = f"{name.replace('/', '_')}_{frame:08}"
                Image.fromarray(picture).save(images / f"{stem}.png")
            (labels / f"{stem}_emotion.txt").write_text(f"   {number}.0000000e+00\n")
    return folder


@pytest.mark.usefixtures("ridge")
def test_pictures_in_the_official_layout(ck_plus: Path) -> None:
    ended = CliRunner().invoke(app, ["reproduce", str(ck_plus), "--folds", "3", "--json"])
    assert ended.exit_code == 0, ended.output
    report = json.loads(ended.stdout)

    result = report["result"]
    assert (result["subjects"], result["folds"]) == (PERSONS, 3)
    assert {name: n for name, n in result["faces"].items() if n} == {
        "neutral": 2 * PERSONS,
        "happiness": 3 * PERSONS,
        "surprise": 3 * PERSONS,
    }
    assert result["arms"]["all468"]["targets"]["surprise"]["recall"] > 0.8
    assert result["arms"]["all468"]["targets"]["happiness"]["recall"] > 0.8
    assert [time["landmarks"] for time in report["times"]] == [468, 128]


@pytest.mark.usefixtures("ridge")
def test_the_tables_show_controls_beside_accuracy(ck_plus: Path) -> None:
    shown = io.StringIO()
    report = command.run(Settings(), ck_plus, folds=3, steps=1, console=QUIET)
    command.show(report, Console(file=shown, width=120))

    for words in ("happiness", "surprise", "all468", "ig128", "random128", 'always "no"', "ms a face"):
        assert words in shown.getvalue()
    assert f"{sum(report.result.faces.values())} faces" in shown.getvalue()
    assert len(EMOTIONS) == len(report.result.faces)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="is no folder: name the one that holds cohn-kanade-images/"):
        command.run(Settings(), tmp_path / "nothing", folds=3, steps=1, console=QUIET)


@pytest.mark.parametrize("missing", ["cohn-kanade-images", "Emotion"])
def test_half_of_ck_plus(tmp_path: Path, missing: str) -> None:
    for name in {"cohn-kanade-images", "Emotion"} - {missing}:
        (tmp_path / name).mkdir()
    with pytest.raises(InputRefused, match=f"has no folder {missing}/: CK.* unpack both here"):
        command.run(Settings(), tmp_path, folds=3, steps=1, console=QUIET)


def test_pictures_without_any_face(tmp_path: Path) -> None:
    images, labels = [tmp_path / name / "S001" / "001" for name in ("cohn-kanade-images", "Emotion")]
    for made in (images, labels):
        made.mkdir(parents=True)
    for frame in (1, 2):
        Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(images / f"S001_001_{frame:08}.png")
    (labels / "S001_001_00000002_emotion.txt").write_text("5.0")
    with pytest.raises(InputRefused, match=r"none of 2 pictures can be used: .*no face"):
        command.run(Settings(), tmp_path, folds=3, steps=1, console=QUIET)
