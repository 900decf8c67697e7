"""The command line: `mien VERB`. Each verb's work is in the file of its name; here are only its options.

Exit codes follow sysexits.h and are listed in streams/errors.py; 0 means done, 2 a wrong option.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from streams import logs, settings
from streams.errors import MienError
from streams.settings import Settings

app = typer.Typer(
    name="mien",
    help="Reads faces from many cameras as a stream of explained emotion events.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main() -> NoReturn:
    """The console script."""
    try:
        app()
        code = 0
    except SystemExit as exc:  # typer has said what was wrong with the options
        code = exc.code if isinstance(exc.code, int) else 0
    except MienError as exc:
        Console(stderr=True).print(f"[bold red]mien:[/] {escape(str(exc))}", highlight=False, soft_wrap=True)
        code = exc.exit_code
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Ends the process even if a library left a thread running, as Faust's consumer does after a crash."""
    left = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in left:
        thread.join(timeout=1.0)
    if names := [thread.name for thread in left if thread.is_alive()]:
        logs.get("mien.cli").warning("threads left running", threads=names)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _start() -> Settings:
    """The settings, with logging set up as they say."""
    loaded = settings.load()
    logs.configure(loaded.log_level, loaded.log_format)
    for variable in settings.unknown_variables():
        logs.get("mien.cli").warning("no setting has this name: see `mien settings`", variable=variable)
    return loaded


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _run_stage(run: Callable[[Settings], None]) -> None:
    run(_start())


@app.command(epilog="Example: mien demo --cameras 2 --seconds 30")
def demo(
    cameras: Annotated[
        int | None,
        typer.Option(
            min=1, max=16, help="How many cameras to start; 2 without it, 1 for a source of your own."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so long; without it, on Ctrl-C.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Where pictures come from; as for `mien camera --source`.")
    ] = "demo:cycle",
    fps: Annotated[float, typer.Option(min=0.1, max=120, help="Frames a second, each camera.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain on this machine: broker, Redis, cameras, stages, and a live table.

    The broker and Redis are embedded, unless MIEN_KAFKA_BOOTSTRAP_SERVERS and MIEN_REDIS_URL name others.
    """
    from workers.local import demo as demo_

    loaded = settings.load()
    logs.configure("warning", loaded.log_format)
    summary = demo_.run(
        loaded,
        cameras=cameras or (2 if source.startswith("demo:") else 1),
        seconds=seconds,
        source=source,
        fps=fps,
        console=Console(stderr=as_json),
    )
    if as_json:
        _print_json(summary)


@app.command(epilog="Example: MIEN_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 mien topics")
def topics(as_json: JsonOption = False) -> None:
    """Create the topics that are missing, and list all of them."""
    from streams import broker

    loaded = _start()
    outcome = asyncio.run(broker.create_topics(loaded))
    rows = [t._asdict() | {"outcome": outcome[t.name]} for t in loaded.topics]
    if as_json:
        _print_json(rows)
        return
    table = Table("topic", "partitions", "retention", "holds", "outcome")
    for row in rows:
        retention = f"{row['retention_ms'] // 1000} s"
        table.add_row(row["name"], str(row["partitions"]), retention, row["holds"], row["outcome"])
    Console().print(table)


@app.command(
    epilog="Example: mien camera --id lobby --source rtsp://camera.local/stream --fps 10 --width 640"
)
def camera(
    camera_id: Annotated[str, typer.Option("--id", help="The camera's name: letters, digits, . _ -")],
    source: Annotated[
        str,
        typer.Option(
            help="Webcam number, rtsp:// or http:// url, video, folder of pictures, picture, or demo:SCRIPT."
        ),
    ],
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, max=240, help="At most so many frames a second; else the source's own."),
    ] = None,
    width: Annotated[
        int, typer.Option(min=64, max=7680, help="Wider pictures are scaled down, in px.")
    ] = 1280,
    quality: Annotated[
        int, typer.Option(min=10, max=100, help="JPEG quality; ready JPEGs go as they are.")
    ] = 85,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Files only: send every frame, and wait for slow workers.")
    ] = False,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help="Files only: do not keep to the frame rate.")
    ] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="Files only: start again at the end.")] = False,
    first_seq: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of the first frame. It must grow over restarts, so it is the clock in ms; but 0 "
            "with --lossless, where it is the place in the file.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="demo: only, which of its variations.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Publish a camera's frames until it ends, or until SIGTERM; then say what became of them."""
    from workers.camera import camera as camera_
    from workers.camera.reading_thread import CameraOptions

    loaded = _start()
    options = CameraOptions(
        camera_id=camera_id,
        source=source,
        fps=fps,
        width_px=width,
        jpeg_quality=quality,
        lossless=lossless,
        as_fast_as_possible=as_fast_as_possible,
        repeat=repeat,
        first_seq=first_seq,
        seed=seed,
    )
    outcomes = camera_.run(loaded, options)
    if as_json:
        _print_json(outcomes)


@app.command(epilog="Example: MIEN_METRICS_PORT=9101 mien landmarks --processes 2")
def landmarks(
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="How many processes share the partitions, each with one thread for the networks; /metrics "
            "of the second is on the next port, and so on.",
        ),
    ] = 1,
) -> None:
    """Find the faces in frames and publish each as 128 points."""
    if processes == 1:
        from workers.stages import landmarks as landmarks_

        _run_stage(landmarks_.run)
        return
    from workers.local import stage_processes as processes_

    code = processes_.run(_start(), "landmarks", processes)
    raise typer.Exit(code)


@app.command(epilog="Example: MIEN_METRICS_PORT=9102 mien classify")
def classify() -> None:
    """Turn landmarks into explained emotion events."""
    from workers.stages import classify as classify_

    _run_stage(classify_.run)


@app.command(epilog="Example: MIEN_METRICS_PORT=9103 mien state")
def state() -> None:
    """Keep the rolling state of each subject in Redis."""
    from workers.stages import state as state_

    _run_stage(state_.run)


@app.command(epilog="Example: mien subjects --camera lobby --watch")
def subjects(
    camera_id: Annotated[str | None, typer.Option("--camera", help="Only this camera's.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show again each second until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the subjects in view: emotion, since when, how sure, and what explains it."""
    from workers.commands import subjects as subjects_

    loaded = _start()
    subjects_.run(loaded, camera_id=camera_id, watch=watch, as_json=as_json)


@app.command(epilog="Example: mien explain portrait.jpg --out annotated.png")
def explain(
    image: Annotated[Path, typer.Argument(help="A picture with faces, of any common format.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the picture with its explanation drawn on it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain the faces in one picture, without any server."""
    from workers.commands import explain as explain_

    found = explain_.run(_start(), image, out)
    if as_json:
        _print_json(found)
    else:
        explain_.show(found, Console())


@app.command(epilog="Example: mien extract pictures/ --out faces.npz")
def extract(
    folder: Annotated[
        Path, typer.Argument(help="CK+'s folder, or one with a folder of pictures for each emotion.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write (.npz).")],
    as_json: JsonOption = False,
) -> None:
    """Find the faces in labelled pictures once, and keep their landmarks for training and evaluation."""
    from workers.commands import extract as extract_

    extracted = extract_.run(folder, out, _start(), Console(stderr=True))
    if as_json:
        _print_json(extracted)
    else:
        extract_.show(extracted, Console())


@app.command(epilog="Example: mien train ferplus.npz muxspace.npz pictures/ --out artifacts/")
def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="Landmark files (.npz) and folders of labelled pictures: docs/training.md."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model, its landmark set and its weights.")],
    config: Annotated[
        Path | None, typer.Option(help="Training configuration (TOML); the shipped model's without it.")
    ] = None,
) -> None:
    """Train a classifier, choose its landmarks, and export it with the attribution inside."""
    from workers.commands import train as train_

    train_.run(_start(), data, out, config, Console(stderr=True))


@app.command(epilog="Example: mien export mien-128.npz --out artifacts/; or: mien export --check")
def export(
    trained: Annotated[
        Path | None, typer.Argument(help="The weights that `mien train` left (mien-128.npz).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the ONNX file and its landmark set.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: do model, landmark set and card belong together?")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="The ONNX file to check; MIEN_MODEL_PATH's without it.")
    ] = None,
) -> None:
    """Write a trained network as ONNX, with the attribution inside the graph; or check such a file."""
    from workers.commands import check_model as export_
    from workers.commands import train as train_

    loaded = _start()
    if check:
        export_.check(loaded, model, Console())
    elif trained and out:
        train_.export(trained, out, Console(stderr=True))
    else:
        raise typer.BadParameter("name the weights and --out FOLDER, or --check")


@app.command(epilog="Example: mien evaluate ferplus.npz muxspace.npz --neutral own --out evaluation/")
def evaluate(
    files: Annotated[
        list[Path], typer.Argument(help="Labelled faces: landmark files (.npz) or folders of pictures.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="The ONNX file to evaluate; MIEN_MODEL_PATH's without it.")
    ] = None,
    neutral: Annotated[
        Literal["population", "own", "own-mean"],
        typer.Option(
            help="The baseline: everybody's mean neutral face, or that of the person's other neutral faces, "
            "drawn to everybody's by as much as one person's differ, or as it is."
        ),
    ] = "population",
    operating_point: Annotated[
        str, typer.Option(help="Which of the model's, for the tables by class and below: accurate, balanced.")
    ] = "accurate",
    noise: Annotated[
        list[float] | None,
        typer.Option(
            min=0, help="Landmark noise to try, in inter-ocular distances; again for more. [0.001, 0.002]"
        ),
    ] = None,
    attribution_faces: Annotated[
        int, typer.Option(min=0, help="So many faces' attributions are held against random order, at most.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Of noise, of random orders, of the choice of faces.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json and pictures: confusion, maps, curves.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a model by labelled faces: accuracy, balance, calibration, abstention, noise, attribution.

    Of a file that the model was trained on only the held-out part is taken. docs/evaluation.md explains all.
    """
    from models.judging.evaluation_report import EvaluationOptions
    from workers.commands import evaluate as evaluate_
    from workers.commands import evaluation_tables

    options = EvaluationOptions(
        neutral=neutral,
        operating_point=operating_point,
        noises=EvaluationOptions().noises if noise is None else tuple(noise),
        curve_faces=attribution_faces,
        seed=seed,
    )
    report = evaluate_.run(_start(), files, options, model=model, out=out, console=Console(stderr=True))
    if as_json:
        _print_json(report)
    else:
        for evaluation in report.data_sets:
            evaluation_tables.show(evaluation, operating_point, Console())


@app.command(epilog="Example: mien select ferplus.npz --sizes 468,128,32 --seeds 2 --out selection/")
def select(
    files: Annotated[
        list[Path], typer.Argument(help="Labelled faces: landmark files (.npz) or folders of pictures.")
    ],
    sizes: Annotated[str, typer.Option(help="Numbers of landmarks to try.")] = "468,256,128,64,32,16",
    methods: Annotated[
        str,
        typer.Option(
            help="Ways to choose them: ig, random, greedy, informed; docs/evaluation.md says what they are."
        ),
    ] = "ig,random,greedy,informed",
    seeds: Annotated[int, typer.Option(min=1, help="How many random sets of each size.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each network.")] = 1500,
    config: Annotated[
        Path | None, typer.Option(help="Training configuration (TOML); the shipped model's without it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for selection.json and selection.png.")] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the most accurate landmark set to this JSON file …")
    ] = None,
    landmarks: Annotated[int, typer.Option(min=1, max=468, help="… of those with so many landmarks.")] = 128,
    as_json: JsonOption = False,
) -> None:
    """Compare ways to choose landmarks: accuracy, balanced accuracy and time by their number.

    Points are chosen by training faces only and scored on held-out ones. Random sets are the control.
    """
    from models.judging.selection_curve import Plan
    from workers.commands import select as select_

    try:
        numbers = tuple(int(size) for size in sizes.split(","))
    except ValueError as exc:
        raise typer.BadParameter(
            f"{sizes!r} are no numbers, such as 468,128,32", param_hint="--sizes"
        ) from exc
    selection = select_.run(
        _start(),
        files,
        Plan(numbers, tuple(method.strip() for method in methods.split(",")), seeds),
        config=config,
        steps=steps,
        out=out,
        write=write,
        landmarks=landmarks,
        console=Console(stderr=True),
    )
    if as_json:
        _print_json(selection)
    else:
        select_.show(selection, Console())


@app.command(epilog="Example: mien limits --pictures faces/ --out limits/")
def limits(
    pictures: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of pictures with faces, beside the shipped portrait; again for more."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The ONNX file to measure with; MIEN_MODEL_PATH's without it.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.5, max=1, help="Share of same answers that a limit must keep.")
    ] = 0.9,
    out: Annotated[Path | None, typer.Option(help="Folder for limits.json and limits.png.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Degrade pictures of faces and find how small, blurred or turned they may be before answers change.

    What is found belongs into MIEN_MIN_INTER_OCULAR_PX, MIEN_MIN_SHARPNESS, MIEN_MAX_YAW_DEG and
    MIEN_MAX_PITCH_DEG; docs/limits.md tells how it is measured.
    """
    from workers.commands import limits as limits_

    loaded = _start()
    if model is not None:
        loaded = loaded.model_copy(update={"model_path": model})
    report = limits_.run(loaded, pictures or [], share, out, Console(stderr=True))
    if as_json:
        _print_json(report)
    else:
        limits_.show(report, Console())


@app.command(epilog="Example: mien reproduce CK+/ --folds 10")
def reproduce(
    ck_plus: Annotated[Path, typer.Argument(help="The folder with CK+'s cohn-kanade-images/ and Emotion/.")],
    folds: Annotated[int, typer.Option(min=3, help="Of cross-validation; no person is in two.")] = 10,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each network.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Repeat the seed paper's experiment: happiness and surprise on CK+, 468 landmarks against 128.

    CK+ is handed out by its makers to researchers who ask; Mien does not have it.
    """
    from workers.commands import reproduce as reproduce_

    report = reproduce_.run(_start(), ck_plus, folds=folds, steps=steps, console=Console(stderr=True))
    if as_json:
        _print_json(report)
    else:
        reproduce_.show(report, Console())


@app.command("settings", epilog="Example: mien settings")
def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
) -> None:
    """Show every MIEN_… variable, its default and its meaning."""
    from streams.messages import schemas

    if markdown:
        print(schemas.settings_markdown(), end="")
        return
    table = Table(Column("variable", no_wrap=True), "default", "meaning")
    for row in schemas.settings_rows():
        table.add_row(*row)
    Console().print(table)


@app.command(epilog="Example: mien schemas --out docs/schemas")
def schemas(
    out: Annotated[
        Path | None, typer.Option(help="Write one file a schema here, instead of printing.")
    ] = None,
) -> None:
    """Print the JSON Schemas of all messages, and the AsyncAPI document of all topics."""
    from streams.messages import schemas

    documents = schemas.documents(settings.load())
    if out is None:
        print(json.dumps(documents, indent=2))
        return
    from workers import output_files

    for name, document in documents.items():
        output_files.write_text(out / name, json.dumps(document, indent=2) + "\n")
        print(out / name)


@app.command(epilog="Example: mien bench --json")
def bench(
    rows: Annotated[
        list[str] | None,
        typer.Argument(help="Which rows: decode, mesh, landmarks, classify, pipeline; all without it."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each measurement runs.")] = 3.0,
    soak_frames: Annotated[
        int, typer.Option(min=1, help="landmarks: frames of each of the 20 cameras of the soak.")
    ] = 250,
    plot: Annotated[
        Path | None, typer.Option(help="landmarks: also draw the recall of small faces, a PNG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure this machine: each stage beside the bare library loop, in the same run."""
    from workers.bench import bench as bench_

    loaded = settings.load()
    logs.configure("warning", loaded.log_format)
    results = bench_.run(
        loaded, rows or [], seconds, Console(stderr=True), soak_frames=soak_frames, plot=plot
    )
    if as_json:
        _print_json(results)
    else:
        bench_.show(results, Console())


if __name__ == "__main__":
    main()
