"""Verbs that run the stream, or make it ready."""

from pathlib import Path
from typing import Annotated

import typer

from streams.messages.frame_message import Priority
from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import FramesOption, JsonOption, shown, start

PANEL = "Stream"

verbs = typer.Typer()

SourceFileOption = Annotated[
    Path | None,
    typer.Option(
        "--source-file",
        help="A file that holds the source, so that no address with a password can be seen in `ps`.",
    ),
]


def _refuse_two(source: str | None, source_file: Path | None) -> None:
    if source is not None and source_file is not None:
        raise typer.BadParameter("--source and --source-file name two sources: give one")


@verbs.command(epilog="Example: mien demo --cameras 2 --seconds 30", rich_help_panel=PANEL)
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
        str | None,
        typer.Option(
            help="Where pictures come from; as for `mien camera --source`. Without it MIEN_CAMERA_SOURCE, "
            "else demo:cycle."
        ),
    ] = None,
    source_file: SourceFileOption = None,
    fps: Annotated[float, typer.Option(min=0.1, max=120, help="Frames a second, each camera.")] = 10.0,
    page: Annotated[
        bool, typer.Option(help="Serve the page of all cameras too, on MIEN_LIVE_PORT or a free one.")
    ] = True,
    frames: FramesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain on this machine: broker, Redis, cameras, stages, a live table, and the page.

    The broker and Redis are embedded, unless MIEN_KAFKA_BOOTSTRAP_SERVERS and MIEN_REDIS_URL name others.
    """
    from workers.camera.source_choice import chosen_source
    from workers.local import demo as demo_

    loaded = start(log_level="warning", **shown(frames))
    _refuse_two(source, source_file)
    chosen = chosen_source(loaded, source, source_file)
    if chosen is None:
        chosen = "demo:cycle"
    summary = demo_.run(
        loaded,
        cameras=cameras or (2 if chosen.startswith("demo:") else 1),
        seconds=seconds,
        source=chosen,
        fps=fps,
        page=page,
        console=Terminal(stderr=as_json),
    )
    if as_json:
        print_json(summary)


@verbs.command(
    epilog="Example: MIEN_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 mien topics --apply", rich_help_panel=PANEL
)
def topics(
    apply: Annotated[
        bool, typer.Option("--apply", help="Correct what differs: settings, and too few partitions.")
    ] = False,
    only_create: Annotated[
        bool,
        typer.Option(
            "--only-create", help="Do not look at those that exist: for what starts before each stage."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing, and show all as they are beside what they should be.

    Ends with 78 if one is not as it should be.
    """
    from workers.upkeep import topic_table

    if apply and only_create:
        raise typer.BadParameter("--apply and --only-create are opposites: choose one")
    rows = topic_table.run(start(), apply=apply, only_create=only_create)
    if as_json:
        print_json(rows)
    else:
        topic_table.show(rows, Terminal())
    topic_table.refuse_differences(rows)


def _take_id_as_camera(context: typer.Context, camera_id: str | None) -> None:
    """``--id`` is what ``--camera`` was called before: it stands in for it, and scripts go on."""
    if camera_id is not None:
        context.default_map = {"camera_id": camera_id}


@verbs.command(
    epilog="Example: mien camera --camera lobby --source rtsp://camera.local/stream --fps 10 --width 640",
    rich_help_panel=PANEL,
)
def camera(
    camera_id: Annotated[
        str,
        typer.Option("--camera", help="The camera's id: letters, digits, . _ -"),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="Webcam number, rtsp:// or http:// url, video, folder of pictures, picture, or demo:SCRIPT. "
            "Without it MIEN_CAMERA_SOURCE, which no `ps` shows."
        ),
    ] = None,
    source_file: SourceFileOption = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=240,
            help="At most so many frames a second; else the source's own. How often a camera of single "
            "pictures is asked, 2 without it; how fast a folder of pictures plays, 10.",
        ),
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
    keyframes: Annotated[
        bool,
        typer.Option(
            "--keyframes",
            help="Decode only those pictures of a video that stand alone, about one a second: less work.",
        ),
    ] = False,
    hardware: Annotated[
        str | None,
        typer.Option(
            help="What decodes videos in place of the CPU, as FFmpeg names it: cuda, qsv, drm, amf. Codecs "
            "that it does not know are left to the CPU."
        ),
    ] = None,
    priority: Annotated[
        Priority,
        typer.Option(
            help="Whose frames go first where there are more than can be worked on: low, normal or high."
        ),
    ] = "normal",
    as_json: JsonOption = False,
    _id: Annotated[
        str | None, typer.Option("--id", hidden=True, is_eager=True, callback=_take_id_as_camera)
    ] = None,
) -> None:
    """Publish a camera's frames until it ends, or until SIGTERM; then say what became of them.

    With --lossless it ends with 65 if a frame could not be published.
    """
    from workers.camera import camera as camera_
    from workers.camera.reading_thread import CameraOptions
    from workers.camera.source_choice import chosen_source

    _refuse_two(source, source_file)
    loaded = start()
    chosen = chosen_source(loaded, source, source_file)
    if chosen is None:
        raise typer.BadParameter("give one of --source, --source-file and MIEN_CAMERA_SOURCE")
    options = CameraOptions(
        camera_id=camera_id,
        source=chosen,
        fps=fps,
        width_px=width,
        jpeg_quality=quality,
        lossless=lossless,
        as_fast_as_possible=as_fast_as_possible,
        repeat=repeat,
        first_seq=first_seq,
        seed=seed,
        keyframes=keyframes,
        hardware=hardware,
        priority=priority,
    )
    outcomes = camera_.run(loaded, options)
    if as_json:
        print_json(outcomes)
    camera_.refuse_lost(options, outcomes)


@verbs.command(epilog="Example: MIEN_METRICS_PORT=9101 mien landmarks --processes 2", rich_help_panel=PANEL)
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

        landmarks_.run(start())
        return
    from workers.local import stage_processes as processes_

    code = processes_.run(start(), "landmarks", processes)
    raise typer.Exit(code)


@verbs.command(epilog="Example: MIEN_METRICS_PORT=9102 mien classify", rich_help_panel=PANEL)
def classify() -> None:
    """Turn landmarks into explained emotion events."""
    from workers.stages import classify as classify_

    classify_.run(start())


@verbs.command(epilog="Example: MIEN_METRICS_PORT=9103 mien state", rich_help_panel=PANEL)
def state() -> None:
    """Keep the rolling state of each subject in Redis."""
    from workers.stages import state as state_

    state_.run(start())


@verbs.command(epilog="Example: mien rebuild --json", rich_help_panel=PANEL)
def rebuild(as_json: JsonOption = False) -> None:
    """Make the state in Redis again from the emotion events in Kafka, and say from how many and how fast.

    State workers do so by themselves when Redis has lost something. It may run beside them: a subject's state
    is only replaced by one that has seen as much.
    """
    from workers.commands import rebuild as rebuild_

    rebuild_.run(start(), as_json=as_json)
