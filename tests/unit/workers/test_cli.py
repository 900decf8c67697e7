"""The command line as a user meets it: help with examples, and clear words instead of tracebacks."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import redis
import typer
from msgspec.structs import replace
from typer.testing import CliRunner

from models.faces.pictures import encode_jpeg
from streams.local import embedded_servers
from streams.local.child_process import free_ports
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import subject_state
from workers import cli
from workers.bench import bench

COMMANDS = typer.main.get_command(cli.app).commands
VERBS = sorted(COMMANDS)
LEAVES = {  # with the verbs below a verb
    f"{verb} {below}".strip(): command
    for verb, top in COMMANDS.items()
    for below, command in (getattr(top, "commands", None) or {"": top}).items()
}
ROOT = Path(__file__).parents[3]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Mien = Callable[..., Ended]


@pytest.fixture
def mien(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mien:
    """Runs the console script in this process; keyword arguments are environment variables."""
    monkeypatch.setattr(cli, "_leave", sys.exit)  # the real one may end this process at once

    def run(*arguments: str, **environment: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mien", *arguments])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Ended(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="module")
def nobody() -> str:
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


def test_help_lists_every_verb(mien: Mien) -> None:
    ended = mien("--help")

    assert ended.code == 0
    assert set(VERBS) >= {"demo", "topics", "camera", "landmarks", "classify", "state", "subjects", "explain"}
    assert set(VERBS) >= {"train", "export", "evaluate", "select", "reproduce"}
    assert set(VERBS) >= {"bench", "settings", "schemas"}
    for verb in VERBS:
        assert f" {verb} " in ended.out


@pytest.mark.parametrize("verb", sorted({*VERBS, *LEAVES}))
def test_each_verbs_help_has_an_example_of_it(verb: str) -> None:
    ended = CliRunner().invoke(cli.app, [*verb.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})

    assert ended.exit_code == 0
    assert f"mien {verb}" in ended.output.partition("Example:")[2]


def test_help_is_grouped_in_the_order_of_the_work(mien: Mien) -> None:
    out = mien("--help").out
    places = [out.index(f"─ {panel} ─") for panel in ("Stream", "Look", "Judge", "Train", "Check")]

    assert places == sorted(places)


def test_the_version(mien: Mien) -> None:
    assert mien("--version") == Ended(0, f"mien {version('mien')}\n", "")


PRINTS_NO_RESULT = {"alerts run", "cameras run", "landmarks", "classify", "live", "state"}
"""They run until they are told to stop."""


@pytest.mark.parametrize("verb", LEAVES)
def test_a_verb_that_prints_a_result_prints_it_as_json_too(verb: str) -> None:
    options = {option for p in LEAVES[verb].params for option in p.opts}

    assert ("--json" in options) is (verb not in PRINTS_NO_RESULT)


@pytest.mark.parametrize("verb", LEAVES)
def test_camera_means_a_cameras_id_and_nothing_else(verb: str) -> None:
    named = [p for p in LEAVES[verb].params if {"--camera", "--id"} & set(p.opts)]

    assert {p.name for p in named if not p.hidden} <= {"camera_id"}
    assert all("--camera" in p.opts and p.help.startswith("The camera's id") for p in named if not p.hidden)


def test_the_old_spelling_of_camera_still_works_but_help_does_not_teach_it(mien: Mien) -> None:
    assert "--id" not in mien("camera", "--help").out
    assert "Camera id 'a b'" in mien("camera", "--id", "a b", "--source", "demo:cycle").err


@pytest.mark.parametrize("camera", ["", "a b"])
def test_subjects_of_a_camera_that_cannot_be(mien: Mien, redis_url: str, camera: str) -> None:
    ended = mien("subjects", "--json", "--camera", camera, MIEN_REDIS_URL=redis_url)

    assert (ended.code, ended.out) == (78, "")  # an empty one showed every camera
    assert f"Camera id {camera!r}" in ended.err


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["schemas"], {}),
        (["settings", "--json"], {}),
        (["export", "--check", "--json"], {}),
        (["subjects", "--json", "--camera", "nowhere"], {"MIEN_REDIS_URL": "redis"}),
    ],
    ids=lambda value: " ".join(value),
)
def test_json_is_one_line_of_stdout(
    mien: Mien, redis_url: str, arguments: list[str], environment: dict[str, str]
) -> None:
    ended = mien(*arguments, **dict.fromkeys(environment, redis_url))

    assert ended.code == 0
    assert ended.out.count("\n") == 1
    json.loads(ended.out)


def test_a_model_that_does_not_pass_is_told_in_json_and_by_the_exit_code(mien: Mien, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    ended = mien("export", "--check", "--json", "--model", str(tmp_path / "x.onnx"))

    assert ended.code == 65
    assert [check["passed"] for check in json.loads(ended.out)["checks"]] == [False]
    assert "did not pass: model" in ended.err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [(None, 0, ""), (0, 0, ""), (3, 3, ""), ("the disk is full", 1, "the disk is full\n")],
)
def test_an_exit_with_a_text_is_a_failure(
    mien: Mien, monkeypatch: pytest.MonkeyPatch, raised: str | int | None, code: int, said: str
) -> None:
    def leave(**_: object) -> None:
        raise SystemExit(raised)

    monkeypatch.setattr(cli, "app", leave)

    assert mien("topics") == Ended(code, "", said)


HEAVY = ("numpy", "av", "cv2", "onnxruntime", "faust", "aiokafka", "redis", "scipy", "matplotlib", "jax")


COMPLETING = {"_MIEN_COMPLETE": "complete_bash", "COMP_WORDS": "mien evaluate --", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--help"], {}), (["--version"], {}), (["bench", "--help"], {}), ([], COMPLETING)],
    ids=["help", "version", "help of a verb", "completion"],
)
def test_help_loads_no_library_that_is_slow_to_import(
    arguments: list[str], environment: dict[str, str]
) -> None:
    program = (
        "import atexit, sys\nfrom workers import cli\n"
        f"loaded = lambda: sorted(set({HEAVY}) & set(sys.modules))\n"
        "atexit.register(lambda: print('loaded', *loaded(), file=sys.stderr))\n"
        f"sys.argv[1:] = {arguments}\ncli.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout
    assert ended.stderr == "loaded\n"


def test_the_shell_can_complete_verbs_and_options() -> None:
    def completed(line: str, place: int) -> set[str]:
        asked = {"_MIEN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(place)}
        ended = subprocess.run(
            [sys.executable, "-m", "workers.cli"],
            cwd=ROOT,
            env=os.environ | asked,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(ended.stdout.split())

    assert completed("mien s", 1) == {
        *("state", "subjects", "select", "settings", "schemas", "strimzi"),
    }
    assert "--camera" in completed("mien subjects --", 2)
    assert "--id" not in completed("mien camera --", 2)


def test_without_a_verb_help_is_shown(mien: Mien) -> None:
    assert "Usage:" in (ended := mien()).out + ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["camera", "--camera", "a"],
        ["camera", "--source", "0"],
        ["camera", "--camera", "a", "--source", "0", "--source-file", "f"],
        ["demo", "--source", "0", "--source-file", "f"],
        ["camera", "--camera", "a", "--source", "0", "--fps", "0"],
        ["demo", "--cameras", "0"],
        ["explain"],
        ["topics", "--colour"],
        ["export", "--check", "mine.onnx"],  # would check another model, the shipped one
        ["export", "--check", "--out", "artifacts"],
        ["export", "mine.npz", "--out", "artifacts", "--model", "mine.onnx"],
        ["settings", "--markdown", "--json"],
        ["evaluate", "faces.npz", "--seed", "-1"],
        ["topics", "--apply", "--only-create"],
        ["dead-letters", "show", "the last one"],
        ["dead-letters", "replay"],
        ["dead-letters", "replay", "--reason", "corrupt"],  # nobody is there to be asked
        ["dead-letters", "replay", "--yes", "--offset", "-1"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_ends_with_2(mien: Mien, arguments: list[str]) -> None:
    ended = mien(*arguments)

    assert ended.code == 2
    assert "Usage: mien" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("verb", ["topics", "subjects", "landmarks", "classify", "state", "demo"])
def test_a_wrong_setting_ends_with_78_and_names_it(mien: Mien, verb: str) -> None:
    ended = mien(verb, MIEN_TOPIC_PARTITIONS="many")

    assert ended.code == 78
    assert "MIEN_TOPIC_PARTITIONS" in ended.err


def test_topics_without_a_broker(mien: Mien, nobody: str) -> None:
    ended = mien("topics", MIEN_KAFKA_BOOTSTRAP_SERVERS=nobody)

    assert ended.code == 69
    assert f"Kafka at {nobody}" in ended.err
    assert "MIEN_KAFKA_BOOTSTRAP_SERVERS" in ended.err


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "--json"], ["show", "41"], ["replay", "--yes", "--reason", "corrupt"]]
)
def test_dead_letters_without_a_broker(mien: Mien, nobody: str, arguments: list[str]) -> None:
    ended = mien("dead-letters", *arguments, MIEN_KAFKA_BOOTSTRAP_SERVERS=nobody)

    assert (ended.code, ended.out) == (69, "")
    assert f"Kafka at {nobody}" in ended.err


def test_dead_letters_that_are_not_there(mien: Mien, kafka: str) -> None:
    listed = mien("dead-letters", "list", "--json", MIEN_KAFKA_BOOTSTRAP_SERVERS=kafka)
    shown = mien("dead-letters", "show", "41", MIEN_KAFKA_BOOTSTRAP_SERVERS=kafka)
    chosen = mien("dead-letters", "replay", "--yes", "--json", "--reason", "corrupt")

    assert (listed.code, listed.out) == (0, "[]\n")
    assert (shown.code, shown.out) == (66, "")
    assert "There is no dead letter 41 on mien.dead-letters" in shown.err
    assert (chosen.code, chosen.out) == (0, "[]\n")


@pytest.mark.parametrize("options", [[], ["--json"], ["--watch"], ["--watch", "--json"]], ids=" ".join)
def test_subjects_without_redis(mien: Mien, nobody: str, options: list[str]) -> None:
    ended = mien("subjects", *options, MIEN_REDIS_URL=f"redis://:hunter2@{nobody}/0")

    assert ended.code == 69
    assert f"Redis at {nobody}" in ended.err
    assert "hunter2" not in ended.out + ended.err


@pytest.mark.parametrize("text", ["[/x]", "\x1b]0;owned\x07", "a\nb"])
def test_a_hostile_event_harms_no_terminal(
    mien: Mien, redis_url: str, make_event: Callable[..., EmotionEvent], text: str
) -> None:
    event = make_event(camera_id="hostile", subject_id="hostile:1")
    hostile = replace(event, explanation=replace(event.explanation, text=text, regions={text: 1.0}))

    async def apply() -> None:
        async with subject_state.connect(Settings(redis_url=redis_url)) as store:
            await store.apply([hostile])

    asyncio.run(apply())
    with redis.Redis.from_url(redis_url) as client:
        client.hset(subject_state.state_key("hostile:1"), "camera_id", text)
    as_table = mien("subjects", MIEN_REDIS_URL=redis_url)
    as_json = mien("subjects", "--json", MIEN_REDIS_URL=redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()

    assert (as_table.code, as_json.code) == (0, 0), as_table.err + as_json.err
    assert not {"\x1b", "\x07"} & set(as_table.out + as_json.out)
    assert text in [subject["camera_id"] for subject in json.loads(as_json.out)]


@pytest.mark.parametrize("name", ["[/x].npz", "\x1b]0;owned\x07.npz"])
def test_a_hostile_file_name_harms_no_terminal(mien: Mien, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"no faces")
    ended = mien("evaluate", str(tmp_path / name))

    assert ended.code == 65, ended.err
    assert not {"\x1b", "\x07"} & set(ended.out + ended.err)


def test_subjects_of_an_empty_redis(mien: Mien, redis_url: str) -> None:
    as_json = mien("subjects", "--json", "--camera", "nowhere", MIEN_REDIS_URL=redis_url)
    as_table = mien("subjects", "--camera", "nowhere", MIEN_REDIS_URL=redis_url)

    assert (as_json.code, json.loads(as_json.out)) == (0, [])
    assert as_table.code == 0
    assert "0 subjects" in as_table.out


@pytest.mark.parametrize("name", ["no-such.jpg", "odd[/b].jpg", "[red]x.jpg"])
def test_explain_of_a_picture_that_is_not_there(mien: Mien, tmp_path: Path, name: str) -> None:
    ended = mien("explain", str(tmp_path / name))

    assert ended.code == 66
    assert name in ended.err


def test_explain_of_a_text_file(mien: Mien, tmp_path: Path) -> None:
    (tmp_path / "poem.jpg").write_text("To be, or not to be")
    ended = mien("explain", str(tmp_path / "poem.jpg"))

    assert ended.code == 65
    assert "not a picture" in ended.err


def test_explain_with_a_model_that_is_not_there(mien: Mien, tmp_path: Path) -> None:
    picture = tmp_path / "grey.jpg"
    picture.write_bytes(encode_jpeg(np.full((48, 64, 3), 90, np.uint8)))
    ended = mien("explain", str(picture), MIEN_MODEL_PATH=str(tmp_path / "none.onnx"))

    assert ended.code == 72
    assert "none.onnx" in ended.err


def test_schemas_are_printed_or_written(mien: Mien, tmp_path: Path) -> None:
    printed = json.loads(mien("schemas").out)
    written = mien("schemas", "--out", str(tmp_path))

    assert written.code == 0
    assert {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()} == printed


def test_schemas_make_their_folder(mien: Mien, tmp_path: Path) -> None:
    ended = mien("schemas", "--json", "--out", str(tmp_path / "new"))

    assert ended.code == 0
    assert json.loads(ended.out)["files"] == [
        str(tmp_path / "new" / name) for name in json.loads(mien("schemas").out)
    ]


@pytest.mark.parametrize(
    "arguments",
    [["bench", "landmarks", "--plot"], ["explain", "no-such.jpg", "--out"]],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    mien: Mien, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(bench, "ROWS", {"landmarks": lambda *_: pytest.fail("measured")})
    ended = mien(*arguments, str(tmp_path / "none" / "x.png"))

    assert ended.code == 73
    assert "none/x.png" in ended.err


def piped(arguments: str) -> subprocess.CompletedProcess[str]:
    line = f"exec {sys.executable} -m workers.cli {arguments}"
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["settings --json", "settings --markdown", "settings"])
def test_a_full_disk_is_told(verb: str) -> None:
    ended = piped(f"{verb} > /dev/full")

    assert (ended.returncode, ended.stderr) == (
        73,
        "mien: The result cannot be written: no space is left on the device.\n",
    )


def test_a_reader_that_went_away_is_told_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "workers.cli", "settings", "--markdown"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert (ended.returncode, ended.stderr) == (1, "")


def test_schemas_where_they_cannot_be_written(mien: Mien, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = mien("schemas", "--out", str(tmp_path / "file"))

    assert ended.code == 73
    assert "--out" in ended.err


def test_settings_are_shown_and_their_page_is_the_committed_one(mien: Mien) -> None:
    assert "MIEN_TOPIC_PREFIX" in mien("settings").out
    assert mien("settings", "--markdown").out == (ROOT / "docs/settings.md").read_text()


def test_settings_in_force_as_json(mien: Mien) -> None:
    ended = mien("settings", "--json", MIEN_TOPIC_PREFIX="trial", MIEN_TOPIC_PERFIX="x")
    shown = json.loads(ended.out)

    assert shown["unknown_variables"] == ["MIEN_TOPIC_PERFIX"]
    assert {
        "variable": "MIEN_TOPIC_PREFIX",
        "value": "trial",
        "source": "environment",
        "default": "mien",
        "meaning": "of topics and groups",
    } in shown["settings"]


def test_wrong_settings_are_told_by_settings_too(mien: Mien) -> None:
    ended = mien("settings", MIEN_TOPIC_PARTITIONS="many")

    assert ended.code == 78
    assert "MIEN_TOPIC_PARTITIONS" in ended.err


def test_the_demo_tells_misspelt_settings_too(mien: Mien) -> None:
    ended = mien("demo", "--source", "no/such.mp4", MIEN_TOPIC_PERFIX="x")

    assert "variable=MIEN_TOPIC_PERFIX" in ended.err


def test_a_demo_script_that_does_not_exist_is_told_before_anything_starts(
    mien: Mien, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_servers, "broker", lambda: pytest.fail("started a broker"))
    ended = mien("demo", "--source", "demo:dance")

    assert ended.code == 66
    assert "demo script 'dance'" in ended.err


def test_interrupted_ends_as_shells_expect(mien: Mien, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.settings.load", interrupted)

    assert mien("topics").code == 130


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    with embedded_servers.broker(*Settings().topics) as address:
        yield address


def test_a_camera_without_a_broker(mien: Mien, nobody: str) -> None:
    ended = mien(
        "camera",
        *("--id", "a", "--source", "no/such.mp4"),
        MIEN_KAFKA_BOOTSTRAP_SERVERS=nobody,
        MIEN_STARTUP_TIMEOUT_S="0",
        MIEN_METRICS_PORT="0",
    )

    assert ended.code == 69
    assert f"Kafka at {nobody}" in ended.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--id", "a", "--source", "no/such.mp4"], 66, "no/such.mp4"),
        (["--id", "a", "--source", "demo:dance"], 66, "unknown demo script 'dance'"),
        (["--id", "a", "--source", "demo:cycle", "--lossless"], 78, "--lossless is for files"),
        (["--id", "a", "--source", "x.mp4", "--as-fast-as-possible"], 78, "needs --lossless"),
        (["--id", "a b", "--source", "demo:cycle"], 78, "Camera id 'a b'"),
    ],
)
def test_a_camera_that_cannot_be(mien: Mien, kafka: str, options: list[str], code: int, said: str) -> None:
    ended = mien("camera", *options, MIEN_KAFKA_BOOTSTRAP_SERVERS=kafka, MIEN_METRICS_PORT="0")

    assert ended.code == code
    assert said in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("code", [0, 69])
def test_a_thread_that_a_library_left_does_not_keep_the_process(code: int) -> None:
    program = (
        "import threading, time\nfrom streams import logs\nfrom workers import cli\n"
        "logs.configure('info', 'console')\n"
        "threading.Thread(target=time.sleep, args=(600,), name='left over').start()\n"
        f"print('done')\ncli._leave({code})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert (ended.returncode, ended.stdout) == (code, "done\n")
    assert "left over" in ended.stderr


REAL = {  # options, whether Kafka is there, exit code, what is said
    "landmarks": (["landmarks"], False, 69, "Kafka at"),
    "state without redis": (["state"], True, 69, "Redis at"),
    "camera without source": (["camera", "--id", "a", "--source", "no/such.mp4"], True, 66, "no/such.mp4"),
}


@pytest.fixture(scope="module")
def real(nobody: str, kafka: str) -> dict[str, Ended]:
    """Processes as a user starts them, all at the same time."""
    processes = {}
    for name, (arguments, has_kafka, _, _) in REAL.items():
        chosen = {
            "MIEN_KAFKA_BOOTSTRAP_SERVERS": kafka if has_kafka else nobody,
            "MIEN_REDIS_URL": f"redis://{nobody}/0",
            "MIEN_STARTUP_TIMEOUT_S": "0",
            "MIEN_METRICS_PORT": "0",
        }
        processes[name] = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", *arguments],
            env=os.environ | chosen,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        told = {name: process.communicate(timeout=60) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return {name: Ended(processes[name].returncode, *texts) for name, texts in told.items()}


@pytest.mark.parametrize("name", REAL)
def test_what_is_missing_at_the_start_is_told(real: dict[str, Ended], name: str) -> None:
    _, _, code, said = REAL[name]
    ended = real[name]

    assert ended.code == code, ended.err
    assert said in ended.err
    assert ended.err.splitlines()[-1].startswith("mien: ")
    assert "Traceback" not in ended.err
    assert ended.out == ""
