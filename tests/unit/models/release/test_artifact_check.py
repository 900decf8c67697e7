"""`mien export --check`: a whole artifact passes, and each thing that does not fit is named."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from made_up import reference_of
from onnx import numpy_helper
from rich.console import Console
from typer.testing import CliRunner, Result

from models.emotion import model_reference
from models.emotion.classifier import SHIPPED, Classifier
from models.emotion.operating_points import OperatingPoint
from models.faces.landmark_set import LandmarkSet
from models.release import artifact_check, model_card
from models.release.onnx_export import export, read_network
from models.samples.dataset import EMOTIONS
from models.training.network import Network, with_twins
from models.training.trained_model import OwnHead, TrainedModel
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import check_model

FIGURES = """
Some words by people.

## Figures

Of version `{version}`.

| | accuracy |
|---|---|
| accurate | 0.8 |
| balanced | 0.7 |

## Limits

The version 000000000000 is another one.
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A small model with its landmark set and a card that a person has completed."""
    return made(tmp_path, own=False)


@pytest.fixture
def artifact_of_two(tmp_path: Path) -> Path:
    """The same with a second network."""
    return made(tmp_path, own=True)


def made(tmp_path: Path, *, own: bool) -> Path:
    rng = np.random.default_rng(0)
    shapes = [(15, 5), (5,), (5, 8), (8,)]
    w1, b1, w2, b2 = (rng.normal(0, 0.4, shape).astype(np.float32) for shape in shapes)
    points = LandmarkSet("tiny", np.array([1, 33, 61, 263, 291], dtype=np.int32))
    at = {
        "accurate": OperatingPoint(np.zeros(8, np.float32), 0.5),
        "balanced": OperatingPoint(rng.normal(0, 1, 8).astype(np.float32), 0.4),
    }
    neutral = rng.normal(0, 0.3, (5, 3)).astype(np.float32)
    net = with_twins(Network(w1, b1, w2, b2, radius=3.0, reach=5.0), points.mirror)
    second = OwnHead(
        net._replace(w2=-net.w2, b2=-net.b2), {"own": at["balanced"], "watchful": at["accurate"]}
    )
    model = TrainedModel("tiny", net, points, EMOTIONS, neutral, at, ("a", "b"), 3, second if own else None)
    path = export(model, tmp_path)
    loaded = Classifier.load(path)
    figures = FIGURES.replace("\n\n## Limits", "\n| own, watchful | 0.6 |\n\n## Limits") if own else FIGURES
    card = f"# Tiny\n{figures.format(version=loaded.version)}"
    (tmp_path / "MODEL_CARD.md").write_text(model_card.refresh(card, loaded))
    (tmp_path / "reference.json").write_bytes(msgspec.json.encode(reference_of(loaded)))
    return path


def checked(path: Path) -> tuple[list[str], str]:
    """The names of the checks that failed, and all that was printed."""
    printed = io.StringIO()
    checked = check_model.run(Settings(), path)
    check_model.show(checked, Console(file=printed, width=80))
    try:
        check_model.refuse_failed(checked)
    except InputRefused as refused:
        return str(refused).partition("did not pass: ")[2].split(", "), printed.getvalue()
    return [], printed.getvalue()


def test_what_belongs_together_passes_with_a_line_each(artifact: Path) -> None:
    failed, printed = checked(artifact)

    assert failed == []
    names = [line.removeprefix("ok").partition(":")[0].strip() for line in printed.splitlines()]
    assert names == ["model", "landmark set", "card", "figures", "reference", "graph", "completeness"]


def test_the_shipped_artifact_passes() -> None:
    assert checked(SHIPPED)[0] == []


def changed_graph(path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Changes the ONNX file and the version that the card and the reference name."""
    was = Classifier.load(path).version
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    for name in ("MODEL_CARD.md", "reference.json"):
        beside = path.with_name(name)
        beside.write_text(beside.read_text().replace(was, Classifier.load(path).version))


def weights(name: str, factor: float) -> Callable[[onnx.ModelProto], None]:
    """Multiplies an initializer of the graph."""

    def change(model: onnx.ModelProto) -> None:
        stored = next(w for w in model.graph.initializer if w.name == name)
        array = numpy_helper.to_array(stored) * np.float32(factor)
        stored.CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))

    return change


def without_the_difference(model: onnx.ModelProto) -> None:
    """Attributes by the gradient minus the difference, instead of times it."""
    node = next(n for n in model.graph.node if n.output[0] == "by_side_and_axis")
    node.op_type = "Sub"


def metadata(key: str, value: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        next(p for p in model.metadata_props if p.key == f"mien.{key}").value = value

    return change


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (weights("w2_by_class", 1.01), ["graph", "completeness"]),
        (weights("bend_closing", 0.9), ["graph", "completeness"]),
        (weights("hidden_at_baseline", 1.1), ["graph", "completeness"]),
        (without_the_difference, ["graph", "completeness"]),
        (weights("radius_half", 0.1), []),  # another network, but one that is what it says
        (metadata("split_seed", "4"), ["card"]),
        (metadata("trained_on", '["a", "ck+"]'), ["card"]),
        (
            metadata("operating_points", json.dumps({"accurate": {"bias": [0] * 8, "min_confidence": 0.5}})),
            ["card", "reference"],
        ),
        (
            metadata(
                "operating_points",
                json.dumps({n: {"bias": [0] * 8, "min_confidence": 0.5} for n in ("accurate", "eager")}),
            ),
            ["card", "figures", "reference"],
        ),
        (
            metadata("landmark_set", LandmarkSet("tiny", np.array([1, 4, 61, 152, 291])).to_json()),
            ["landmark set", "card"],
        ),
    ],
)
def test_a_graph_that_is_not_what_it_says(
    artifact: Path, change: Callable[[onnx.ModelProto], None], failed: list[str]
) -> None:
    changed_graph(artifact, change)
    assert checked(artifact)[0] == failed


def test_another_file_than_the_card_is_about(artifact: Path) -> None:
    model = onnx.load(artifact)
    model.doc_string = "changed"
    onnx.save(model, artifact)

    failed, printed = checked(artifact)

    assert failed == ["card", "figures", "reference"]
    assert f"not `{Classifier.load(artifact).version}`" in printed


def test_figures_of_another_version(artifact: Path) -> None:
    """The version is named in the rows, and below, but not where the figures are."""
    card = artifact.with_name("MODEL_CARD.md")
    card.write_text(card.read_text().replace("Of version `", "Of version `older "))
    assert checked(artifact)[0] == []
    version = Classifier.load(artifact).version
    card.write_text(card.read_text().replace(f"`older {version}`", "`older`") + version)
    failed, printed = checked(artifact)
    assert failed == ["figures"]
    assert f"not said to be of version {version}" in printed


def test_figures_that_leave_an_operating_point_out(artifact: Path) -> None:
    card = artifact.with_name("MODEL_CARD.md")
    card.write_text(card.read_text().replace("| balanced | 0.7 |\n", "balanced is good\n"))
    failed, printed = checked(artifact)
    assert failed == ["figures"]
    assert "no row of the figures in MODEL_CARD.md names balanced" in printed


@pytest.mark.parametrize("card", [None, "", "# A card\n\n| name | tiny |\n"])
def test_no_card_or_none_about_an_artifact(artifact: Path, card: str | None) -> None:
    path = artifact.with_name("MODEL_CARD.md")
    path.unlink()
    if card is not None:
        path.write_text(card)
    failed, printed = checked(artifact)
    assert failed == ["card", "figures"]
    assert ("no rows about the artifact" if card is not None else "No such file") in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LandmarkSet("tiny", np.array([1, 4])).to_json(), "landmark_set.json is tiny-"),
        ("{}", "no landmark set"),
        (None, "No such file"),
    ],
)
def test_another_landmark_set_beside_it(artifact: Path, content: str | None, message: str) -> None:
    path = artifact.with_name("landmark_set.json")
    path.unlink()
    if content is not None:
        path.write_text(content)
    failed, printed = checked(artifact)
    assert failed == ["landmark set"]
    assert message in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no reference.json: `mien export --reference` writes it"),
        (b"{}", "reference.json is no reference"),
        (b"\xff", "reference.json is no reference"),
    ],
)
def test_no_reference_beside_it(artifact: Path, content: bytes | None, message: str) -> None:
    path = artifact.with_name("reference.json")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    failed, printed = checked(artifact)
    assert failed == ["reference"]
    assert message in printed


def test_the_shipped_reference_is_of_the_faces_and_figures_of_the_card() -> None:
    """Written by two commands, from the same faces."""
    classifier = Classifier.load()
    reference = model_reference.load(SHIPPED.with_name("reference.json"), classifier)
    text = model_card.figures(SHIPPED.with_name("MODEL_CARD.md").read_text())

    assert reference.subject
    for part in (reference.population, reference.subject):
        assert f"{part.faces:,} faces" in text
        for answers in part.operating_points.values():
            assert sum(answers.emotion_mix.values()) == pytest.approx(1, abs=0.005)
            assert sum(answers.region_share.values()) == pytest.approx(1, abs=0.005)
    for point, answers in reference.population.operating_points.items():
        (row,) = re.findall(rf"^\| {point} \|(.*)\|$", text, re.MULTILINE)
        accuracy, _, _, ece, answered, *_ = map(float, row.split("|"))
        assert 1 - answers.low_confidence == pytest.approx(answered, abs=0.006)
        assert abs(answers.confidence - accuracy) <= ece + 0.002  # that is the least the ECE can be
    for point, answers in reference.subject.operating_points.items():
        if not classifier.own_operating_points[point].min_confidence:
            assert answers.low_confidence == 0


def test_of_what_cannot_be_loaded_nothing_more_is_checked(artifact: Path) -> None:
    artifact.write_bytes(artifact.read_bytes()[:500])
    failed, printed = checked(artifact)
    assert failed == ["model"]
    assert len(printed.splitlines()) == 1


def test_the_command_line(artifact: Path) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["export", *arguments])

    assert run("--check", "--model", str(artifact)).exit_code == 0
    artifact.with_name("landmark_set.json").unlink()
    refused = run("--check", "--model", str(artifact)).exception
    assert isinstance(refused, InputRefused)
    assert refused.exit_code == 65
    assert run().exit_code == 2
    assert run("weights.npz").exit_code == 2


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"none\.onnx cannot be read: No such file"):
        check_model.run(Settings(), tmp_path / "none.onnx")


def test_refreshing_a_card_leaves_the_words_of_people(artifact: Path) -> None:
    classifier = Classifier.load(artifact)
    once = model_card.refresh("# My model\n\nWords.\n", classifier)
    stale = once.replace(classifier.version, "0123456789ab")
    assert model_card.read(stale)["version"] == "`0123456789ab`"
    assert model_card.refresh(stale, classifier) == once
    assert once.startswith("# My model\n")
    assert once.endswith("\nWords.\n")
    assert model_card.read(once) == model_card.facts(classifier)
    assert model_card.read(model_card.refresh("", classifier)) == model_card.facts(classifier)


def test_a_face_of_each_kind_is_looked_at(artifact: Path) -> None:
    classifier = Classifier.load(artifact)
    w1 = read_network(artifact).w1
    difference = artifact_check.faces(classifier, w1) - classifier.population_baseline
    assert (difference[0] == 0).all()
    length = np.linalg.norm(difference.reshape(len(difference), -1), axis=1)
    assert length.max() > 1e5
    seen = np.linalg.norm(difference.reshape(len(difference), -1) @ w1, axis=1)
    assert ((length > 100) & (seen < 1e-4 * length)).any()


def test_a_second_network_is_checked_too(artifact_of_two: Path) -> None:
    failed, printed = checked(artifact_of_two)
    assert failed == []
    assert "of this version, for accurate, balanced, own, watchful" in printed
    assert "the networks of its weights" in printed
    changed_graph(artifact_of_two, weights("own.w2_by_class", 1.01))
    assert checked(artifact_of_two)[0] == ["graph", "completeness"]


def test_figures_that_leave_the_second_network_out(artifact_of_two: Path) -> None:
    card = artifact_of_two.with_name("MODEL_CARD.md")
    card.write_text(card.read_text().replace("| own, watchful | 0.6 |\n", ""))
    failed, printed = checked(artifact_of_two)
    assert failed == ["figures"]
    assert "names own, watchful" in printed
