"""`mien evaluate` on made-up people: what it counts, what it leaves out, what it writes, what stops it."""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from made_up import warped_file
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from models.emotion.classifier import Classifier
from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from models.judging import evaluation_report
from models.judging.accuracy_figures import confusion_matrix
from models.judging.evaluation_report import EVEN, PRESENT_ONLY, EvaluationOptions
from models.release.onnx_export import export
from models.samples.dataset import load
from models.samples.synthetic_faces import RECIPES
from models.staged.portrait import Head
from models.training.training_recipe import OwnHeadConfig, TrainConfig, train
from streams.errors import InputRefused, ModelUnusable, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import evaluate, evaluation_tables, extract

CONFIG = TrainConfig(
    name="mien-8",
    landmarks=8,
    steps=300,
    batch=128,
    even_modes=12,
    odd_modes=6,
    hidden=16,
    synthetic_share=0.0,
)
EIGHT = LandmarkSet("eight", np.array([1, 33, 61, 105, 152, 263, 291, 334]))  # trains fast
EMOTIONS = ("neutral", "happiness", "surprise")
QUIET = Console(file=io.StringIO())
ACCURATE_OF_THESE = "accurate" + PRESENT_ONLY
QUICK = EvaluationOptions(curve_faces=200, random_orders=2)


def region(name: str) -> NDArray[np.bool_]:
    return np.array([of.startswith(name) for of in REGION])


def people_file(path: Path, people: int, seed: int, faces: tuple[str, ...]) -> Path:
    """`people`, each with the given faces. Mouth corners differ between people nearly as much as a smile."""
    rng = np.random.default_rng(seed)
    label = np.array(faces * people)
    subject = np.repeat(np.arange(people), len(faces))
    points = CANONICAL + rng.normal(0, 0.003, (len(label), 468, 3)).astype(np.float32)
    points[:, region("mouth corner"), 1] += rng.normal(0, 0.03, people)[subject][:, None]
    points[np.ix_(label == "happiness", region("mouth corner"), np.array([1]))] -= 0.09
    points[np.ix_(label == "surprise", region("chin"), np.array([1]))] += 0.1
    np.savez(
        path,
        q=points.astype(np.float32),
        scale=np.full(len(label), 100, np.float32),
        offset=np.full((len(label), 3), 300, np.float32),
        label=label,
        subject=subject,
    )
    return path


def shapes_file(path: Path) -> Path:
    actions = sorted({action for recipes in RECIPES.values() for recipe in recipes for action in recipe})
    expr = np.random.default_rng(0).normal(0, 0.01, (len(actions), 468, 3)).astype(np.float32)
    np.savez(path, expr=expr, base=CANONICAL, expr_names=actions)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, the file it was trained on, and files it has never seen."""
    folder = tmp_path_factory.mktemp("evaluation")
    known = people_file(folder / "known.npz", 100, 0, ("neutral", "neutral", "happiness", "surprise"))
    export(train(CONFIG, load([known], EIGHT)), folder)
    people_file(folder / "strangers.npz", 60, 1, ("neutral", "neutral", "happiness", "surprise"))
    people_file(folder / "once.npz", 30, 2, ("neutral", "happiness", "surprise"))
    (folder / "nobody").mkdir()
    people_file(folder / "nobody" / "known.npz", 4, 4, EMOTIONS)  # a tenth of four people is nobody
    shapes_file(folder / "shapes.npz")
    people_file(folder / "posed.npz", 20, 3, ("happiness", "surprise"))
    people_file(folder / "empty.npz", 0, 5, EMOTIONS)
    np.savez(folder / "no-base.npz", expr=np.zeros((1, 468, 3)))
    return folder


def run(folder: Path, *names: str, out: Path | None = None, **options: Any) -> evaluate.Report:
    return evaluate.run(
        Settings(),
        [folder / f"{name}.npz" for name in names],
        QUICK._replace(**options),
        model=folder / "mien-8.onnx",
        out=out,
        console=QUIET,
    )


@pytest.fixture(scope="module")
def strangers(folder: Path) -> evaluate.Report:
    return run(folder, "strangers")


def test_all_faces_of_a_file_the_model_has_never_seen(strangers: evaluate.Report) -> None:
    (evaluation,) = strangers.data_sets

    assert (evaluation.data_set, evaluation.part, evaluation.faces) == ("strangers", "all", 240)
    assert evaluation.classes_present == list(EMOTIONS)
    accurate = evaluation.operating_points["accurate"]
    assert accurate.faces == 240
    assert accurate.accuracy > 0.75
    assert accurate.by_class["surprise"].recall == pytest.approx(1, abs=0.1)
    assert accurate.by_class["fear"].faces == 0
    points = ("accurate", "balanced")
    assert set(evaluation.operating_points) == {*points, *(point + PRESENT_ONLY for point in points), EVEN}
    assert evaluation.operating_points[ACCURATE_OF_THESE].accuracy >= accurate.accuracy
    answers = np.sum(evaluation.operating_points[ACCURATE_OF_THESE].confusion, axis=0)
    assert (answers[3:] == 0).all()
    assert evaluation.completeness_error_max < 1e-4


def test_each_operating_point_answers_as_the_classifier_does(
    folder: Path, strangers: evaluate.Report
) -> None:
    classifier, faces = Classifier.load(folder / "mien-8.onnx"), load([folder / "strangers.npz"], EIGHT)
    for name, point in classifier.operating_points.items():
        answer = classifier.classify(faces.points, bias=point.bias)
        figures = strangers.data_sets[0].operating_points[name]

        assert figures.confusion == confusion_matrix(answer.target, faces.label, 8).tolist()
        assert figures.answered.min_confidence == point.min_confidence
        given = answer.probabilities.max(axis=1) >= point.min_confidence
        assert figures.answered.coverage == pytest.approx(given.mean(), abs=0.01)


def test_held_out_people_of_a_file_the_model_was_trained_on(folder: Path) -> None:
    (evaluation,) = run(folder, "known").data_sets

    assert (evaluation.part, evaluation.faces) == ("held-out", 40)


def test_own_neutral_faces_tell_a_smile_from_a_mouth(folder: Path) -> None:
    (evaluation,) = run(folder, "strangers", neutral="own").data_sets

    assert evaluation.faces == 240  # everybody has two neutral faces
    assert evaluation.left_out.without_own_neutral == 0
    assert evaluation.population is not None
    assert evaluation.recall_gain is not None
    own, population = evaluation.operating_points["accurate"], evaluation.population["accurate"]
    assert own.faces == population.faces
    assert own.balanced_accuracy > population.balanced_accuracy + 0.03
    for emotion in EMOTIONS:
        gain = (own.by_class[emotion].recall or 0) - (population.by_class[emotion].recall or 0)
        assert evaluation.recall_gain["accurate"][emotion] == pytest.approx(gain)
    assert "fear" not in evaluation.recall_gain["accurate"]


def test_population_figures_beside_own_ones_are_those_of_the_population(
    folder: Path, strangers: evaluate.Report
) -> None:
    (evaluation,) = run(folder, "strangers", neutral="own").data_sets

    assert evaluation.population == strangers.data_sets[0].operating_points


def test_faces_without_another_neutral_one_are_left_out_and_counted(folder: Path) -> None:
    (evaluation,) = run(folder, "once", neutral="own").data_sets

    assert evaluation.left_out.without_own_neutral == 30  # the neutral ones themselves
    assert evaluation.faces == 60
    assert evaluation.classes_present == ["happiness", "surprise"]


def test_several_files_are_pooled(folder: Path) -> None:
    one, other, both = run(folder, "strangers", "once").data_sets

    assert (both.data_set, both.part, both.faces) == ("pooled", "pooled", 330)
    assert both.attribution is None
    for point in ("accurate", ACCURATE_OF_THESE):
        parts = [np.array(e.operating_points[point].confusion) for e in (one, other)]
        assert both.operating_points[point].confusion == (parts[0] + parts[1]).tolist()


def test_a_file_without_any_face_to_evaluate_is_left_out(folder: Path) -> None:
    evaluations = run(folder, "posed", "strangers", neutral="own").data_sets

    assert [evaluation.data_set for evaluation in evaluations] == ["strangers"]


def test_expression_shapes_make_people_of_held_out_faces(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "SYNTHETIC_FACES", 90)
    known, once, made, both = run(folder, "shapes", "known", "once", neutral="own").data_sets

    assert (made.data_set, made.part, made.faces) == ("shapes", "all", 90)  # it did not train this model
    assert len(made.classes_present) == 8
    assert both.faces == known.faces + once.faces  # real faces only
    with pytest.raises(InputRefused, match="name a file of real faces too"):
        run(folder, "shapes")


def test_noise_costs_more_than_rounding(folder: Path) -> None:
    (evaluation,) = run(folder, "strangers", noises=(0.0, 0.3)).data_sets
    nothing, noise, rounded = evaluation.robustness

    assert [row.change for row in evaluation.robustness] == ["noise 0", "noise 0.3", "float16"]
    assert (nothing.accuracy_change_points, nothing.same_answer) == (0, 1)
    assert noise.accuracy_change_points < -10
    before = evaluation.operating_points["accurate"].accuracy
    assert noise.accuracy == pytest.approx(before + noise.accuracy_change_points / 100)
    assert abs(rounded.accuracy_change_points) < 2
    assert rounded.same_answer > 0.98


def test_changed_points_are_judged_at_the_chosen_operating_point(folder: Path) -> None:
    (evaluation,) = run(folder, "strangers", noises=(0.0,), operating_point="balanced").data_sets

    assert evaluation.robustness[0].accuracy == evaluation.operating_points["balanced"].accuracy


def test_attributions_beat_random_order(strangers: evaluate.Report) -> None:
    quality = strangers.data_sets[0].attribution

    assert quality is not None
    assert (quality.faces, quality.random_orders) == (200, 2)
    assert quality.deletion_better_than_random > 0.8
    assert quality.insertion_better_than_random > 0.8


def test_mean_attributions_of_a_smile_lie_on_the_mouth_corners(strangers: evaluate.Report) -> None:
    maps = strangers.data_sets[0].mean_attributions
    corners = region("mouth corner")[strangers.model.landmarks]

    assert set(maps) <= set(strangers.model.emotions)
    assert corners.any()
    assert np.abs(np.array(maps["happiness"])[corners]).sum() > 0.8 * np.abs(maps["happiness"]).sum()


def test_the_same_seed_gives_the_same_report(folder: Path, strangers: evaluate.Report) -> None:
    assert run(folder, "strangers") == strangers


def test_report_and_pictures_are_written(folder: Path, tmp_path: Path) -> None:
    report = run(folder, "once", "posed", out=tmp_path / "new" / "folder")

    pictures = {path.stem for path in (tmp_path / "new" / "folder").glob("*.png")}
    each = {"confusion", "coverage", "reliability"}
    more = {"attribution-curves", "attribution-maps"}
    expected = {f"{data}-{name}" for data in ("once", "posed") for name in each | more}
    assert pictures == expected | {f"pooled-{name}" for name in each}
    for path in (tmp_path / "new" / "folder").glob("*.png"):
        with Image.open(path) as picture:
            picture.verify()
    written = msgspec.json.decode(
        (tmp_path / "new" / "folder" / "evaluation.json").read_bytes(), type=evaluate.Report
    )
    assert written == report


def test_tables_show_every_figure_that_matters(folder: Path) -> None:
    shown = io.StringIO()
    (evaluation,) = run(folder, "once", neutral="own").data_sets
    evaluation_tables.show(evaluation, Console(file=shown, width=160))

    text = shown.getvalue()
    for words in ("once: 60 faces", "Left out: 30 faces of persons without another neutral face"):
        assert words in text
    for words in ("balanced", "macro F1", "ECE", "answers", "population", "gain", "AUC", "vs rest"):
        assert words in text
    for words in ("truth / answer", "noise 0.001", "float16", "deletion", "insertion", "completeness"):
        assert words in text


PICTURES: dict[str, dict[str, float]] = {
    "neutral/ann/1": {},
    "neutral/ann/2": {"happiness": 0.05},
    "happy/ann/1": {"happiness": 1.0},
    "surprise/ann/1": {"surprise": 1.0},
    "surprise/bob/1": {"surprise": 0.9},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's portrait, said to be two people, and a picture that is none."""
    folder = tmp_path_factory.mktemp("data") / "portraits"
    head = Head(1.0)
    for name, intensities in PICTURES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(head.draw(intensities)).save(folder / f"{name}.png")
    (folder / "happy" / "broken.png").write_bytes(b"no picture")
    return folder


def evaluate_pictures(path: Path, **options: Any) -> tuple[Any, str]:
    """The evaluation of one file or folder by the shipped model, and what was said on the way."""
    said = io.StringIO()
    console = Console(file=said, width=200)
    options_ = EvaluationOptions(curve_faces=0, noises=())._replace(**options)
    report = evaluate.run(Settings(), [path], options_, model=None, out=None, console=console)
    (evaluation,) = report.data_sets
    return evaluation, said.getvalue()


def test_a_folder_of_pictures_is_read_and_judged(pictures: Path) -> None:
    evaluation, said = evaluate_pictures(pictures)

    assert (evaluation.data_set, evaluation.part, evaluation.faces) == ("portraits", "all", len(PICTURES))
    assert evaluation.classes_present == list(EMOTIONS)
    figures = evaluation.operating_points["accurate"]
    assert {emotion: figures.by_class[emotion].faces for emotion in EMOTIONS} == {
        "neutral": 2, "happiness": 1, "surprise": 2
    }  # fmt: skip
    assert figures.accuracy == 1
    assert "left out 1 of 6 pictures" in said
    assert "broken.png" in said


def test_people_of_a_folder_have_their_own_neutral_faces(pictures: Path) -> None:
    evaluation, _ = evaluate_pictures(pictures, neutral="own")

    assert evaluation.left_out.without_own_neutral == 1  # bob's
    assert evaluation.faces == 4
    assert evaluation.own_network  # the pictures are of one sitting
    assert evaluation.operating_points["own"].faces == evaluation.population["own"].faces == 4


def test_extracted_pictures_are_judged_like_the_folder(pictures: Path, tmp_path: Path) -> None:
    extract.run(pictures, tmp_path / "portraits.npz", Settings(), QUIET)

    assert evaluate_pictures(tmp_path / "portraits.npz")[0] == evaluate_pictures(pictures)[0]


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "1.png").touch()
    with pytest.raises(InputRefused, match=str(tmp_path)):
        evaluate_pictures(tmp_path)


@pytest.mark.parametrize(
    ("names", "options", "error", "message"),
    [
        (["nothing"], {}, SourceNotFound, r"nothing\.npz cannot be read"),
        (["once", "once"], {}, InputRefused, "two files are called 'once'"),
        (["posed"], {"neutral": "own"}, InputRefused, "posed: no face is left .* another neutral face"),
        (["nobody/known"], {}, InputRefused, "trained on this data, and none of it is held out"),
        (["once", "no-base"], {}, InputRefused, r"no-base\.npz: the array 'base' is missing"),
        (["empty"], {}, InputRefused, "empty: no face is left to evaluate: it holds none"),
        (["once"], {"operating_point": "brave"}, InputRefused, "no operating point 'brave'; it has accurate"),
    ],
)
def test_what_stops_it(
    folder: Path, names: list[str], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(folder, *names, **options)


def test_a_model_of_other_emotions_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_report, "EMOTIONS", ("bored", "awake"))
    with pytest.raises(InputRefused, match=r"the model knows .*, the data is labelled with"):
        run(folder, "once")


def test_a_missing_model_and_a_folder_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match=r"file/below cannot be written"):
        run(folder, "once", out=tmp_path / "file" / "below")
    with pytest.raises(ModelUnusable, match=r"no\.onnx"):
        evaluate.run(Settings(), [], QUICK, model=tmp_path / "no.onnx", out=None, console=QUIET)


def test_the_command_prints_json(folder: Path) -> None:
    arguments = ["evaluate", str(folder / "once.npz"), "--model", str(folder / "mien-8.onnx")]
    ended = CliRunner().invoke(app, [*arguments, "--noise", "0.01", "--attribution-faces", "0", "--json"])

    assert ended.exit_code == 0, ended.output
    (data_set,) = json.loads(ended.stdout)["data_sets"]
    assert data_set["attribution"] is None
    assert [row["change"] for row in data_set["robustness"]] == ["noise 0.01", "float16"]
    assert data_set["operating_points"]["accurate"]["by_class"]["contempt"]["recall"] is None


@pytest.fixture(scope="module")
def with_own_head(folder: Path) -> Path:
    """A model of two networks, and warped people that it has not seen."""
    own = OwnHeadConfig(rows=200, even_modes=12, odd_modes=6, hidden=24, steps=200, batch=128, folds=2)
    warped = warped_file(folder / "warped.npz", 20)
    trained = train(
        with_fields(CONFIG, own_head=own, name="mien-two"), load([folder / "known.npz", warped], EIGHT)
    )
    export(trained, folder)
    warped_file(folder / "warped-others.npz", 12, seed=3)
    return folder


def test_warped_faces_are_told_by_tag_and_answered_by_the_network_for_own_faces(with_own_head: Path) -> None:
    def judged(name: str, **options: Any) -> evaluation_report.Evaluation:
        return evaluate.run(
            Settings(),
            [with_own_head / f"{name}.npz"],
            QUICK._replace(**options),
            model=with_own_head / "mien-two.onnx",
            out=None,
            console=QUIET,
        ).data_sets[0]

    evaluation = judged("warped-others", neutral="own")
    assert evaluation.own_network
    assert evaluation.operating_point == "own"
    assert {"own", "watchful", "unbiased"} <= set(evaluation.operating_points)
    assert set(evaluation.mean_recall_of_seven) == {"own", "watchful", "unbiased"}
    rows = {(row.operating_point, row.tag): row for row in evaluation.by_tag}
    assert {tag for _, tag in rows} == {"", "speech", "blink"}
    quiet, speech = rows["own", ""], rows["own", "speech"]
    assert (quiet.faces, quiet.neutral_faces) == (12 * 18, 12 * 4)
    assert (speech.faces, speech.neutral_faces, list(speech.recall)) == (36, 36, ["neutral"])
    assert quiet.neutral_named_otherwise is not None
    assert quiet.neutral_named_otherwise == pytest.approx(1 - quiet.recall["neutral"])
    assert set(quiet.auc) == set(quiet.recall) == set(evaluation_report.EMOTIONS)
    assert evaluation.completeness_error_max < 1e-4
    assert evaluation.attribution is not None
    assert evaluation.attribution.deletion_better_than_random > 0.5
    shown = io.StringIO()
    evaluation_tables.show(evaluation, Console(file=shown, width=160))
    assert "own, by tag" in shown.getvalue()
    assert "speech" in shown.getvalue()

    watchful = judged("warped-others", neutral="own", operating_point="watchful")
    assert watchful.operating_point == "watchful"
    population = judged("warped-others")
    assert (population.own_network, population.operating_point) == (False, "accurate")
    assert not judged("warped-others", neutral="own-mean").own_network
    rough = judged("strangers", neutral="own")  # made to differ as within a recording
    assert rough.own_network


def test_photos_of_different_days_are_answered_by_the_populations_network(with_own_head: Path) -> None:
    arrays = dict(np.load(with_own_head / "strangers.npz"))
    noise = np.random.default_rng(0).normal(0, 0.016, arrays["q"].shape)
    np.savez(with_own_head / "years.npz", **arrays | {"q": (arrays["q"] + noise).astype(np.float32)})
    report = evaluate.run(
        Settings(),
        [with_own_head / "years.npz", with_own_head / "warped-others.npz", with_own_head / "strangers.npz"],
        QUICK._replace(neutral="own"),
        model=with_own_head / "mien-two.onnx",
        out=None,
        console=QUIET,
    )
    assert [evaluation.own_network for evaluation in report.data_sets] == [False, True, True, True]
    assert [evaluation.part for evaluation in report.data_sets] == ["all", "all", "all", "pooled"]
    assert "accurate" in report.data_sets[0].operating_points
