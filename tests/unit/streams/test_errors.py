"""The tree of errors: exit codes and what may be tried again, as its docstring draws it."""

import inspect
import re

import pytest

from streams import errors
from streams.errors import BadMessage, BadPicture, InputRefused, MienError, WrongLandmarkSet

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and kind.__module__ == errors.__name__
}
TABLE = {  # sysexits.h, and whether the same call may succeed later by itself
    "MienError": (1, False),
    "SettingsInvalid": (78, False),
    "FileInvalid": (78, False),
    "TopicsDiffer": (78, False),
    "FramesLost": (65, False),
    "ProbeFailed": (1, False),
    "InputRefused": (65, False),
    "BadPicture": (65, False),
    "BadMessage": (65, False),
    "WrongLandmarkSet": (65, False),
    "SourceNotFound": (66, False),
    "SourceLost": (69, True),
    "ModelUnusable": (72, False),
    "OutputFailed": (73, False),
    "LabMissing": (69, False),
    "ServiceUnavailable": (69, True),
    "BrokerUnavailable": (69, True),
    "TopicMissing": (69, True),
    "GroupTaken": (69, True),
    "RedisUnavailable": (69, True),
    "KafkaServerUnavailable": (69, False),
    "AccessDenied": (77, False),
}


def test_each_error_has_its_exit_code_and_says_whether_to_try_again() -> None:
    assert {name: (kind.exit_code, kind.retriable) for name, kind in CLASSES.items()} == TABLE


def test_all_are_mien_errors() -> None:
    assert all(issubclass(kind, MienError) for kind in CLASSES.values())


def test_the_drawn_tree_is_the_real_one() -> None:
    parents: list[str] = []
    drawn = {}
    for branch, name in re.findall(r"^    ((?:[│├└─ ]{4})*)([A-Z]\w+)", errors.__doc__ or "", re.M):
        del parents[len(branch) // 4 :]
        drawn[name] = parents[-1] if parents else None
        parents.append(name)
    real = {name: kind.__mro__[1].__name__ for name, kind in CLASSES.items()} | {"MienError": None}

    assert drawn == real


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "MienError"])
def test_the_drawn_codes_are_the_real_ones(name: str) -> None:
    (line,) = re.findall(rf"─ {name}\b.*", errors.__doc__ or "")
    code = re.search(r" (\d\d)\b", line)

    assert (int(code[1]) if code else CLASSES[name].__mro__[1].exit_code) == CLASSES[name].exit_code
    assert ("(retriable)" in line) is CLASSES[name].retriable


def test_a_refusal_carries_a_short_reason_for_metrics() -> None:
    assert BadPicture("it is no JPEG", reason="not-a-jpeg").reason == "not-a-jpeg"
    assert BadMessage("odd").reason == "bad-message"
    assert WrongLandmarkSet("another set").reason == "wrong-landmark-set"
    assert str(InputRefused("what, where, what to do", reason="r")) == "what, where, what to do"
