"""Verbs that make a model."""

from pathlib import Path
from typing import Annotated

import typer

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Train"

verbs = typer.Typer()


@verbs.command(epilog="Example: mien extract pictures/ --out faces.npz", rich_help_panel=PANEL)
def extract(
    folder: Annotated[
        Path, typer.Argument(help="CK+'s folder, or one with a folder of pictures for each emotion.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write (.npz).")],
    as_json: JsonOption = False,
) -> None:
    """Find the faces in labelled pictures once, and keep their landmarks for training and evaluation."""
    from workers.commands import extract as extract_

    extracted = extract_.run(folder, out, start(), Terminal(stderr=True))
    if as_json:
        print_json(extracted)
    else:
        extract_.show(extracted, Terminal())


@verbs.command(
    epilog="Example: mien warp photos/ --ict ict-facekit.npz --out warped.npz", rich_help_panel=PANEL
)
def warp(
    photos: Annotated[
        Path,
        typer.Argument(help="Folder of neutral photos: PERSON.jpg, or PERSON/1.jpg, of each one is used."),
    ],
    ict: Annotated[Path, typer.Option(help="ICT-FaceKit's expression shapes (ict-facekit.npz).")],
    out: Annotated[Path, typer.Option(help="The file to write (.npz).")],
    seed: Annotated[int, typer.Option(min=0, help="Another one draws other expressions.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make neutral photos show every emotion, and keep the landmarks that the mesh sees."""
    from workers.commands import warp as warp_

    warped = warp_.run(photos, ict, out, start(), Terminal(stderr=True), seed)
    if as_json:
        print_json(warped)
    else:
        warp_.show(warped, Terminal())


@verbs.command(
    epilog="Example: mien train ferplus.npz muxspace.npz pictures/ --out artifacts/", rich_help_panel=PANEL
)
def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="Landmark files (.npz) and folders of labelled pictures: docs/training.md."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model, its landmark set and its weights.")],
    config: Annotated[
        Path | None, typer.Option(help="Training configuration (TOML); the shipped model's without it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier, choose its landmarks, and export it with the attribution inside."""
    from workers.commands import train as train_

    artifact = train_.run(start(), data, out, config, Terminal(stderr=True))
    if as_json:
        print_json(artifact)
    else:
        train_.show(artifact, Terminal())


@verbs.command(
    epilog="Example: mien export mien-128.npz --out artifacts/; or: mien export --check",
    rich_help_panel=PANEL,
)
def export(
    trained: Annotated[
        Path | None, typer.Argument(help="The weights that `mien train` left (mien-128.npz).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the ONNX file and its landmark set.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: do model, landmark set and card belong together?")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(help="The ONNX file to check or to measure; MIEN_MODEL_PATH's without it."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Measure what the model answers on these held-out faces (ferplus.npz), and write it into "
            "reference.json beside the model."
        ),
    ] = None,
    own_reference: Annotated[
        Path | None,
        typer.Option(help="The same for own neutral faces: warped photos (warped-validation.npz)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained network as ONNX, with the attribution inside the graph; or check such a file.

    Or measure the reference that a stream's answers are compared with: --reference.
    """
    if reference is not None:
        if check or trained is not None or out is not None:
            raise typer.BadParameter("is for a model that was exported", param_hint="--reference")
        from workers.commands import train as train_

        measured = train_.write_reference(start(), model, reference, own_reference, Terminal(stderr=True))
        if as_json:
            print_json(measured)
        else:
            train_.show_reference(measured, Terminal())
        return
    if own_reference is not None:
        raise typer.BadParameter("goes with --reference", param_hint="--own-reference")
    if check:
        if trained is not None or out is not None:
            raise typer.BadParameter(
                "--check takes no weights and writes nothing; --model names the ONNX file"
            )
        from workers.commands import check_model

        checked = check_model.run(start(), model)
        if as_json:
            print_json(checked)
        else:
            check_model.show(checked, Terminal())
        check_model.refuse_failed(checked)
        return
    if model is not None:
        raise typer.BadParameter("is for --check and --reference", param_hint="--model")
    if trained is None or out is None:
        raise typer.BadParameter("name the weights and --out FOLDER, or --check")
    from workers.commands import train as train_

    start()
    artifact = train_.export(trained, out)
    if as_json:
        print_json(artifact)
    else:
        train_.show(artifact, Terminal())
