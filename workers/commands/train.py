"""`mien train` and `mien export`: from labelled faces to the artifact that `mien classify` loads."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from models.emotion import model_reference
from models.emotion.classifier import SHIPPED, Classifier
from models.emotion.model_reference import Reference
from models.judging import neutral_face_trial
from models.release import model_card, reference_answers, weights_file
from models.release.onnx_export import export as export_onnx
from models.training.training_recipe import TrainConfig, TrainedModel
from models.training.training_recipe import train as train_model
from streams.errors import InputRefused, ModelUnusable, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers import model_loading, output_files
from workers.commands import labelled_data

SHIPPED_CONFIG = Path(weights_file.__file__).parents[1] / "artifacts" / "train.toml"


class Artifact(msgspec.Struct, frozen=True):
    """A model file that was written."""

    model: str
    """Its path."""
    name: str
    version: str
    landmark_set: str


def run(
    settings: Settings, data: Sequence[Path], out: Path, config: Path | None, console: Console
) -> Artifact:
    """Trains with landmark files and folders of labelled pictures.

    Writes ``NAME.onnx``, ``landmark_set.json`` and ``NAME.npz`` (the weights) into ``out``, and the rows
    about them into its ``MODEL_CARD.md``.

    Raises:
        SourceNotFound: if a file or folder is missing or not readable.
        InputRefused: if one of them or the configuration is of the wrong kind.
        OutputFailed: if ``out`` cannot be written; this is tried before the training.
    """
    output_files.make_folder(out)
    with labelled_data.input_errors():
        chosen = TrainConfig.load(config or SHIPPED_CONFIG)
    faces = labelled_data.load(
        data, settings, console, synthetic_share=chosen.synthetic_share, seed=chosen.seed
    )
    if config is None:
        chosen = chosen.for_sources(faces.sources)
    with labelled_data.input_errors(), Progress(console=console) as bar:
        task = bar.add_task("Training", total=None)
        trained = train_model(
            chosen, faces, lambda step, steps, _loss: bar.update(task, completed=step, total=steps)
        )
    try:
        weights_file.save(trained, out / f"{trained.name}.npz")
    except OSError as exc:
        raise OutputFailed(f"The weights cannot be written into {out}: {exc.strerror}.") from exc
    return _write_artifact(trained, out)


def export(trained: Path, out: Path) -> Artifact:
    """Writes the artifact from the weights.

    Raises:
        SourceNotFound, ModelUnusable: if the weights are missing or none.
        OutputFailed: if ``out`` cannot be written.
    """
    try:
        model = weights_file.load(trained)
    except OSError as exc:
        raise SourceNotFound(f"{trained} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ModelUnusable(str(exc)) from exc
    output_files.make_folder(out)
    return _write_artifact(model, out)


def write_reference(
    settings: Settings, model: Path | None, faces: Path, own_faces: Path | None, console: Console
) -> Reference:
    """Measures what the model answers on held-out faces, and writes it beside the model.

    Of ``faces`` it is what the network says that compares with the population's neutral face; of
    ``own_faces``, warped photos, what that for own neutral faces says, and how often there is one.

    Raises:
        ModelUnusable: if the model cannot be loaded.
        SourceNotFound, InputRefused: if a file is missing, of the wrong kind, or leaves no face.
        OutputFailed: if the reference cannot be written; this is tried before the work.
    """
    path = model or settings.model_path or SHIPPED
    classifier = model_loading.load_classifier(settings.model_copy(update={"model_path": path}))
    if classifier.knows_own_neutral_faces != (own_faces is not None):
        has = "a" if classifier.knows_own_neutral_faces else "no"
        advice = "name warped photos with" if own_faces is None else "leave out"
        raise InputRefused(
            f"{path} has {has} network for own neutral faces: {advice} --own-reference", reason="bad-data"
        )
    beside = path.with_name(model_reference.FILE)
    output_files.check_file(beside)
    samples = labelled_data.load([faces], settings, console, seed=classifier.split_seed)
    with labelled_data.input_errors():
        population, subject, share = reference_answers.part(classifier, samples, own=False), None, 0.0
        if own_faces is not None:
            samples = labelled_data.load([own_faces], settings, console, seed=classifier.split_seed)
            subject = reference_answers.part(classifier, samples, own=True)
            everybody = neutral_face_trial.people(own_faces, classifier)
            console.print(f"Playing two minutes with {len(everybody)} people …")
            share = reference_answers.own_baseline(classifier, everybody)
    reference = Reference(classifier.version, population, subject, share)
    output_files.write_json(beside, reference)
    return reference


def show_reference(reference: Reference, console: Console) -> None:
    """Prints what was measured, on one line a set of faces."""
    for part in (reference.population, reference.subject):
        if part:
            console.print(
                f"{part.data_set}: {part.faces} faces, at {', '.join(part.operating_points)}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def show(artifact: Artifact, console: Console) -> None:
    """Prints which file was written, on one line."""
    console.print(
        f"{artifact.model}: {artifact.name} {artifact.version}, landmarks {artifact.landmark_set}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _write_artifact(trained: TrainedModel, out: Path) -> Artifact:
    try:
        path = export_onnx(trained, out)
    except OSError as exc:
        raise OutputFailed(f"{exc.strerror or exc}") from exc
    loaded = Classifier.load(path)  # what was written must be loadable, or it is not done
    card = out / model_card.FILE
    try:
        text = card.read_text(encoding="utf-8") if card.exists() else ""
    except OSError as exc:
        raise OutputFailed(f"{card} cannot be read: {exc.strerror}") from exc
    output_files.write_text(card, model_card.refresh(text, loaded))
    return Artifact(str(path), loaded.name, loaded.version, loaded.landmark_set.id)
