"""Text of others on the terminal: it is shown, it orders nothing, and it crashes nothing."""

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress
from rich.table import Table

from streams.messages.emotion_event import Explanation
from streams.store.subject_state import Subject
from workers.json_output import print_json
from workers.subject_table import subject_table
from workers.terminal import Terminal, progress_label

ROOT = Path(__file__).parents[3]
HOSTILE = [
    "[/x]",
    "[bold]a",
    "[link=https://x.example]a[/link]",
    "\x1b]0;owned\x07",
    "\x9b2J",
    "a\\",
]


def shown(*objects: object) -> str:
    """What a real terminal gets, with the colours that Rich itself writes."""
    file = io.StringIO()
    Terminal(file=file, width=400, force_terminal=True, color_system=None).print(*objects)
    return file.getvalue()


@pytest.mark.parametrize("text", [*HOSTILE, ":cat:"])
def test_text_is_shown_as_it_is_in_prints_and_tables(text: str) -> None:
    rows = Table(text, title=text)
    rows.add_row(text)
    for out in (shown(text), shown(rows)):
        assert "\x1b]" not in out
        assert "\x9b" not in out
        assert "\x07" not in out
    visible = text.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\x9b", "\\x9b")
    assert visible in shown(text)
    assert shown(rows).count(visible) == 3


@given(st.text(st.characters()))
def test_no_text_crashes_the_terminal_or_orders_it_anything(text: str) -> None:
    file = io.StringIO()
    Terminal(file=file, width=400).print(text)
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(file.getvalue())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_bar_of_progress_shows_names_as_they_are(text: str) -> None:
    file = io.StringIO()
    with Progress(console=Terminal(file=file, width=400, force_terminal=True, color_system=None)) as bar:
        bar.add_task(progress_label(text))
    assert text.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\x9b", "\\x9b") in file.getvalue()


@pytest.mark.parametrize("text", [*HOSTILE, "a\nb"])
def test_a_hostile_event_is_one_row_of_the_subjects(text: str, make_event: Callable[..., object]) -> None:
    explanation: Explanation = make_event().explanation  # type: ignore[attr-defined]
    hostile = Subject(
        subject_id=f"cam:{text}",
        camera_id=text,
        frame_seq=1,
        first_seen_us=0,
        last_seen_us=0,
        events=1,
        abstained=0,
        dominant=text,
        since_us=0,
        probabilities={},
        window={},
        last_emotion=text,
        last_confidence=1.0,
        last_explanation=explanation.__class__(
            **{name: getattr(explanation, name) for name in explanation.__struct_fields__}
            | {"text": text, "regions": {text: 1.0}}
        ),
    )
    out = shown(subject_table([hostile], 0))
    assert len(out.splitlines()) == len(shown(subject_table([], 0)).splitlines()) + 1
    assert not {"\x9b", "\x07"} & set(out)
    assert "\x1b]" not in out


def test_json_holds_no_control_sign_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\x1b\x9b\u202e\U000e0041Bücher 🙂"
    print_json({"camera_id": text})
    out = capsys.readouterr().out

    assert out.rstrip("\n").isprintable()
    assert json.loads(out) == {"camera_id": text}


def test_there_is_no_other_console() -> None:
    """One that takes markup would crash on a name with ``[/x]``."""
    others = set()
    for path in [path for room in ("streams", "models", "workers") for path in (ROOT / room).rglob("*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or "from rich" not in text:
                continue
            name = ast.unparse(node.func).split(".")[-1]
            takes_one = "console" in {keyword.arg for keyword in node.keywords}
            if name in ("Console", "get_console") or (name in ("Live", "Progress") and not takes_one):
                others.add(str(path.relative_to(ROOT)))
    assert others == set()
