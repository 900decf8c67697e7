"""`mien train` and `mien export`, from landmark files to an artifact that loads; and what stops them."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from made_up import warped_file
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from models.emotion import model_reference
from models.emotion.classifier import SHIPPED, Classifier
from models.emotion.operating_points import OperatingPoint, to_json
from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from models.release import weights_file
from models.samples.dataset import EMOTIONS, Samples
from models.staged.portrait import Head
from models.training.network import Network, with_twins
from models.training.trained_model import OwnHead
from models.training.training_recipe import Progress, TrainConfig, TrainedModel
from streams.errors import InputRefused, ModelUnusable, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import extract
from workers.commands import train as command

QUICK = """
name = "mien-8"
landmarks = 8
steps = 100
batch = 64
even_modes = 12
odd_modes = 6
hidden = 12
synthetic_share = 0.0
"""


def landmark_file(path: Path, count: int = 300) -> Path:
    """One label a face: neutral, and smiles with raised mouth corners."""
    rng = np.random.default_rng(0)
    smiles = np.arange(count) % 2 == 1
    corners = np.array([name.startswith("mouth corner") for name in REGION])
    points = CANONICAL + rng.normal(0, 0.01, (count, 468, 3)).astype(np.float32)
    points[np.ix_(smiles, corners, [1])] -= 0.1
    np.savez(
        path,
        q=points.astype(np.float32),
        scale=np.full(count, 100, np.float32),
        offset=np.full((count, 3), 300, np.float32),
        label=np.array(["neutral", "happiness"])[smiles.astype(int)],
        subject=np.array([f"person-{i // 2}" for i in range(count)]),
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a quick training has put its results."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "quick.toml").write_text(QUICK)
    faces = landmark_file(folder / "faces.npz")
    command.run(Settings(), [faces], folder / "out", folder / "quick.toml", Console(file=io.StringIO()))
    return folder


def a_model() -> TrainedModel:
    rng = np.random.default_rng(0)
    shapes = [(6, 4), (4,), (4, 8), (8,)]
    own = Network(*(rng.normal(0, 0.4, shape).astype(np.float32) for shape in shapes), radius=2.5)
    points = LandmarkSet("two", np.array([61, 291], dtype=np.int32))
    network = with_twins(own, points.mirror)
    at = {
        "accurate": OperatingPoint(np.zeros(8, np.float32), 0.5),
        "balanced": OperatingPoint(rng.normal(0, 1, 8).astype(np.float32), 0.4),
    }
    return TrainedModel("mien-two", network, points, EMOTIONS, np.ones((2, 3), np.float32), at, ("faces",), 7)


def test_training_leaves_an_artifact_that_knows_a_smile(folder: Path) -> None:
    classifier = Classifier.load(folder / "out" / "mien-8.onnx")
    smile = classifier.population_baseline.copy()
    smile[[REGION[i].startswith("mouth corner") for i in classifier.landmark_set.indices], 1] -= 0.1

    answers = classifier.classify(np.stack([classifier.population_baseline, smile]))

    assert [classifier.emotions[i] for i in answers.target] == ["neutral", "happiness"]
    assert LandmarkSet.load(folder / "out" / "landmark_set.json") == classifier.landmark_set


def test_export_makes_the_same_file_again_from_the_weights(folder: Path, tmp_path: Path) -> None:
    command.export(folder / "out" / "mien-8.npz", tmp_path / "again")

    for name in ("mien-8.onnx", "landmark_set.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "out" / name).read_bytes()


def test_the_reference_is_measured_beside_the_model_that_was_trained(folder: Path, tmp_path: Path) -> None:
    for name in ("mien-8.onnx", "landmark_set.json"):
        (tmp_path / name).write_bytes((folder / "out" / name).read_bytes())
    model = tmp_path / "mien-8.onnx"

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["export", "--model", str(model), *arguments])

    faces = folder / "faces.npz"  # trained on: the held-out tenth of the people counts
    done = run("--reference", str(faces), "--json")
    classifier = Classifier.load(model)
    reference = model_reference.load(tmp_path / "reference.json", classifier)

    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout) == msgspec.to_builtins(reference)
    assert reference.subject is None
    assert 0 < reference.population.faces < 100
    assert reference.population.operating_points["accurate"].emotion_mix["happiness"] > 0.2
    assert "faces: " in run("--reference", str(faces)).stdout

    refused = run("--reference", str(faces), "--own-reference", str(faces)).exception
    assert isinstance(refused, InputRefused)
    assert "has no network for own neutral faces: leave out --own-reference" in str(refused)
    assert isinstance(run("--reference", str(tmp_path / "none.npz")).exception, SourceNotFound)
    assert run("--own-reference", str(faces)).exit_code == 2
    assert run("--reference", str(faces), "--check").exit_code == 2
    assert run("--reference", str(faces), "--out", str(tmp_path)).exit_code == 2


def test_the_shipped_models_reference_needs_own_neutral_faces_too(folder: Path, tmp_path: Path) -> None:
    shutil.copy(SHIPPED, tmp_path)
    console = Console(file=io.StringIO())
    with pytest.raises(InputRefused, match="has a network for own neutral faces: name warped photos with"):
        command.write_reference(Settings(), tmp_path / SHIPPED.name, folder / "faces.npz", None, console)
    own = warped_file(tmp_path / "others.npz", 3)
    reference = command.write_reference(
        Settings(), tmp_path / SHIPPED.name, folder / "faces.npz", own, console
    )

    assert reference.subject
    assert (reference.subject.data_set, reference.subject.faces) == ("others", 66)
    assert 0 < reference.own_baseline <= 1
    assert model_reference.load(tmp_path / "reference.json", Classifier.load()) == reference


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    model = a_model()
    weights_file.save(model, tmp_path / "model.npz")

    again = weights_file.load(tmp_path / "model.npz")

    for was, now in zip(model.network, again.network, strict=True):
        np.testing.assert_array_equal(was, now)
    assert (again.name, again.landmark_set, again.emotions) == (model.name, model.landmark_set, EMOTIONS)
    assert (again.min_confidence, again.trained_on, again.split_seed) == (0.5, ("faces",), 7)
    assert to_json(again.operating_points) == to_json(model.operating_points)
    np.testing.assert_array_equal(again.population_baseline, model.population_baseline)


def test_a_second_network_comes_back_too(tmp_path: Path) -> None:
    model = a_model()
    at = {"own": OperatingPoint(np.eye(8, dtype=np.float32)[0], 0.3)}
    own = OwnHead(model.network._replace(w2=-model.network.w2, b2=-model.network.b2), at)
    weights_file.save(replace(model, own=own), tmp_path / "model.npz")

    again = weights_file.load(tmp_path / "model.npz").own

    assert again is not None
    for was, now in zip(own.network, again.network, strict=True):
        np.testing.assert_array_equal(was, now)
    assert to_json(again.operating_points) == to_json(own.operating_points)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 a broken one"])
def test_other_files_are_no_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)

    with pytest.raises(ModelUnusable, match=r"x\.npz is no file that `mien train` wrote"):
        command.export(tmp_path / "x.npz", tmp_path)


def test_an_archive_of_something_else_is_no_weights(tmp_path: Path) -> None:
    faces = landmark_file(tmp_path / "faces.npz", count=2)

    with pytest.raises(ModelUnusable, match=r"faces\.npz is no file that `mien train` wrote"):
        command.export(faces, tmp_path)


def test_missing_files_are_told_by_name(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(SourceNotFound, match=r"nothing\.npz cannot be read"):
        command.export(tmp_path / "nothing.npz", tmp_path)
    with pytest.raises(SourceNotFound, match=r"nothing\.npz"):
        command.run(Settings(), [tmp_path / "nothing.npz"], tmp_path / "out", None, console)
    with pytest.raises(SourceNotFound, match=r"no\.toml"):
        command.run(Settings(), [tmp_path / "nothing.npz"], tmp_path / "out", tmp_path / "no.toml", console)


def test_a_wrong_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("stepz = 3\n")

    with pytest.raises(InputRefused, match="stepz"):
        command.run(
            Settings(),
            [landmark_file(tmp_path / "faces.npz", 4)],
            tmp_path / "out",
            tmp_path / "wrong.toml",
            Console(file=io.StringIO()),
        )


def picture_folder(folder: Path) -> Path:
    """Smiles and neutral faces of the portrait, turned a little so that no two are the same."""
    head = Head(1.0)
    for emotion, name in (("neutral", "neutral"), ("happiness", "happy")):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            turn = cv2.getRotationMatrix2D((224.0, 195.0), i - 2.5, 1)
            picture = head.draw({} if emotion == "neutral" else {emotion: 1.0}, np.vstack([turn, [0, 0, 1]]))
            Image.fromarray(picture).save(folder / name / f"{i}.png")
    return folder


def test_files_and_folders_train_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Samples] = []

    def train_model(_config: TrainConfig, samples: Samples, _progress: Progress | None) -> TrainedModel:
        seen.append(samples)
        return a_model()

    monkeypatch.setattr(command, "train_model", train_model)
    said = io.StringIO()
    console = Console(file=said, width=200)
    pictures = picture_folder(tmp_path / "pictures")
    (pictures / "happy" / "broken.png").write_bytes(b"no picture")
    extract.run(pictures, tmp_path / "extracted.npz", Settings(), console)
    faces = landmark_file(tmp_path / "faces.npz")

    command.run(Settings(), [faces, pictures], tmp_path / "a", None, console)
    command.run(Settings(), [faces, tmp_path / "extracted.npz"], tmp_path / "b", None, console)

    assert "left out 1 of 13 pictures" in said.getvalue()
    assert "broken.png (not-a-picture)" in said.getvalue()
    assert "312 faces from faces, pictures" in said.getvalue()
    one, again = seen
    assert one.sources == ("faces", "pictures")
    assert (one.source == 1).sum() == 12
    np.testing.assert_array_equal(one.points, again.points)  # what was extracted is what was seen
    np.testing.assert_array_equal(one.label, again.label)


def made(kind: str, folder: Path) -> Path:
    """A path that `mien train` must refuse."""
    path = folder / kind
    match kind:
        case "empty-folder":
            path.mkdir()
        case "no-emotions":
            (path / "cats").mkdir(parents=True)
            Image.new("RGB", (64, 64)).save(path / "cats" / "1.png")
        case "no-faces":
            (path / "fear").mkdir(parents=True)
            Image.new("RGB", (64, 64)).save(path / "fear" / "1.png")
        case "no-labels":
            (path / "cohn-kanade-images").mkdir(parents=True)
        case "text.npz":
            path.write_text("some text")
        case "picture.png":
            Image.new("RGB", (64, 64)).save(path)
        case "shapes.npz":
            np.savez(path, expr=np.zeros((1, 468, 3)), base=CANONICAL, expr_names=["jawOpen"])
        case "joy.npz":
            landmark_file(path, 1)
            with np.load(path) as arrays:
                np.savez(path, **{**arrays, "label": np.array(["joy"])})
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty-folder", "empty-folder: no labelled pictures .*looked for cohn-kanade-images/.*contempt"),
        ("no-emotions", "no-emotions: no labelled pictures .*looked for"),
        ("no-faces", r"none of 1 pictures can be used: .*no-faces/fear/1\.png \(no face\)"),
        ("no-labels", "no-labels: cohn-kanade-images is there, but not Emotion: unpack"),
        ("text.npz", r"text\.npz: not an \.npz file of landmarks"),
        ("picture.png", r"picture\.png: not an \.npz file of landmarks"),
        ("shapes.npz", "expression shapes only: add"),
        ("joy.npz", r"joy\.npz: unknown label 'joy'; known are neutral"),
    ],
)
def test_what_is_no_training_data_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(InputRefused, match=message) as refused:
        command.run(Settings(), [made(kind, tmp_path)], tmp_path / "out", None, Console(file=io.StringIO()))
    assert refused.value.exit_code == 65


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process really cannot write to: root may write anywhere, so it becomes nobody."""
    folder = Path(tempfile.mkdtemp(prefix="mien-read-only-"))
    weights_file.save(a_model(), folder / "model.npz")
    (folder / "model.npz").chmod(0o644)
    folder.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(was)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_model_directory_is_told_before_the_training(read_only: Path) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(OutputFailed, match=rf"{read_only} cannot be written: Permission denied"):
        command.run(Settings(), [read_only / "never-read.npz"], read_only, None, console)
    with pytest.raises(OutputFailed, match=rf"{read_only}/below cannot be written: Permission denied"):
        command.export(read_only / "model.npz", read_only / "below")
    assert [path.name for path in read_only.iterdir()] == ["model.npz"]
