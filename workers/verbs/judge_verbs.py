"""Verbs that measure the model, its limits and this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Judge"

verbs = typer.Typer()


@verbs.command(
    epilog="Example: mien evaluate ferplus.npz muxspace.npz --neutral own --out evaluation/",
    rich_help_panel=PANEL,
)
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
    sequences: Annotated[
        bool,
        typer.Option(
            "--sequences",
            help="Judge the state instead, as the settings have it: what it makes of answers over time, on "
            "sequences made of one file of warped photos, against own neutral faces.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of noise, of random orders, of the choice of faces.")] = 0,
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
    from workers.commands import sequences as sequences_

    if sequences:
        if len(files) != 1 or out:
            raise typer.BadParameter("takes one file, and no --out", param_hint="--sequences")
        judgement = sequences_.run(
            start(),
            files[0],
            model=model,
            seed=seed,
            console=Terminal(stderr=True),
        )
        if as_json:
            print_json(judgement)
        else:
            sequences_.show(judgement, Terminal())
        return
    options = EvaluationOptions(
        neutral=neutral,
        operating_point=operating_point,
        noises=EvaluationOptions().noises if noise is None else tuple(noise),
        curve_faces=attribution_faces,
        seed=seed,
    )
    report = evaluate_.run(start(), files, options, model=model, out=out, console=Terminal(stderr=True))
    if as_json:
        print_json(report)
    else:
        for evaluation in report.data_sets:
            evaluation_tables.show(evaluation, Terminal())


@verbs.command(
    epilog="Example: mien select ferplus.npz --sizes 468,128,32 --seeds 2 --out selection/",
    rich_help_panel=PANEL,
)
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
        start(),
        files,
        Plan(numbers, tuple(method.strip() for method in methods.split(",")), seeds),
        config=config,
        steps=steps,
        out=out,
        write=write,
        landmarks=landmarks,
        console=Terminal(stderr=True),
    )
    if as_json:
        print_json(selection)
    else:
        select_.show(selection, Terminal())


@verbs.command(epilog="Example: mien limits --pictures faces/ --out limits/", rich_help_panel=PANEL)
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
    neutral: Annotated[
        Literal["population", "own"],
        typer.Option(
            help="The baseline: everybody's mean neutral face, or the person's own. Then each folder holds "
            "one person's pictures, those of the neutral face named neutral.jpg, neutral-2.jpg …"
        ),
    ] = "population",
    out: Annotated[Path | None, typer.Option(help="Folder for limits.json and limits.png.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Degrade pictures of faces and find how small, blurred or turned they may be before answers change.

    What is found belongs into MIEN_MIN_INTER_OCULAR_PX, MIEN_MIN_SHARPNESS, MIEN_MAX_YAW_DEG and
    MIEN_MAX_PITCH_DEG; docs/limits.md tells how it is measured.
    """
    from workers.commands import limits as limits_

    loaded = start()
    if model is not None:
        loaded = loaded.model_copy(update={"model_path": model})
    report = limits_.run(loaded, pictures or [], share, out, Terminal(stderr=True), neutral=neutral)
    if as_json:
        print_json(report)
    else:
        limits_.show(report, Terminal())


@verbs.command(epilog="Example: mien reproduce CK+/ --folds 10", rich_help_panel=PANEL)
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

    report = reproduce_.run(start(), ck_plus, folds=folds, steps=steps, console=Terminal(stderr=True))
    if as_json:
        print_json(report)
    else:
        reproduce_.show(report, Terminal())


@verbs.command(epilog="Example: mien bench --json", rich_help_panel=PANEL)
def bench(
    rows: Annotated[
        list[str] | None,
        typer.Argument(
            help="camera, decode, mesh, landmarks, classify, alerts, pipeline, memory: all of these without "
            "it; chain-soak, cameras-soak, truth, overload, live."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, help="How long each measurement runs; 3, and 60 with live.")
    ] = None,
    soak_frames: Annotated[
        int, typer.Option(min=1, help="landmarks: frames of each of the 20 cameras of the soak.")
    ] = 250,
    cameras: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200,
            help="cameras-soak: how many fail and come back (20); live: how many see a face (50).",
        ),
    ] = None,
    viewers: Annotated[
        int, typer.Option(min=1, max=200, help="live: how many look, one of them the page in a browser.")
    ] = 20,
    fault_rate: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=1000,
            help="cameras-soak: 1 is a fault in ten minutes, as bad cameras have.",
        ),
    ] = 10.0,
    plot: Annotated[
        Path | None, typer.Option(help="landmarks: also draw the recall of small faces, a PNG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure this machine: each stage beside the bare library loop, in the same run."""
    from workers.bench import bench as bench_

    loaded = start(log_level="warning")
    results = bench_.run(
        loaded,
        rows or [],
        seconds,
        Terminal(stderr=True),
        soak_frames=soak_frames,
        cameras=cameras,
        fault_rate=fault_rate,
        viewers=viewers,
        plot=plot,
    )
    if as_json:
        print_json(results)
    else:
        bench_.show(results, Terminal())


@verbs.command(epilog="Example: mien chaos --seed 1 --rounds 50 --keep chaos/", rich_help_panel=PANEL)
def chaos(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same faults.")] = 1,
    rounds: Annotated[int, typer.Option(min=0, help="Faults singly and in pairs, in turn.")] = 50,
    faults: Annotated[
        str, typer.Option(help="Only these, with commas between them; --list-faults names all.")
    ] = "",
    cameras: Annotated[int, typer.Option(min=1, max=16, help="Lossless cameras.")] = 3,
    fps: Annotated[float, typer.Option(min=0.5, max=100, help="Frames a second of each camera.")] = 8.0,
    brokers: Annotated[
        Literal["1", "3"] | None, typer.Option(help="Kafka's nodes; as many as fit into memory without it.")
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option(
            help="Stages and cameras run the code of this checkout instead, to see what the run finds there.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="New folder for the log of the run and all that the processes say.")
    ] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Say which faults there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Break a chain on real servers on purpose, by a seed, and count what is lost, twice or changed.

    Needs Java and Redis (`make servers`); it starts servers, stages and cameras of its own. Exit code 1 if a
    promise was broken.
    """
    from workers.chaos import chaos as chaos_
    from workers.chaos.faults import KINDS
    from workers.chaos.scorecard import show

    if list_faults:
        if as_json:
            print_json([{"name": kind.name, "what": kind.what} for kind in KINDS])
        else:
            print("\n".join(f"{kind.name:18}{kind.what}" for kind in KINDS))
        return
    start()
    card = chaos_.run(
        chaos_.Options(
            seed=seed,
            rounds=rounds,
            names=tuple(name for name in faults.replace(" ", "").split(",") if name),
            cameras=cameras,
            fps=fps,
            brokers=int(brokers) if brokers else None,
            code=code,
            keep=keep,
        )
    )
    if as_json:
        print_json(card)
    else:
        show(card, Terminal())
    if card.violations:
        raise typer.Exit(1)
