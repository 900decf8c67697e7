"""cameras.yaml → cameras. What is wrong in it is said with file, line and column, all of it at once."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from streams.errors import BadMessage, SettingsInvalid
from streams.messages.frame_message import PROBE_CAMERA, Priority, check_camera_id
from streams.redact_url import parse_url
from streams.secret_file import read_secret
from streams.settings import secret_variable
from workers.camera.source_choice import refuse_ambiguous
from workers.file_in_force import Stamp, stamp
from workers.marked_yaml import Document, Place, read_text

PRIORITIES: Final = {"low": 2, "normal": 5, "high": 8}
"""The words for a priority, and the numbers that they mean, of 0 to 9."""
SOURCES: Final = ("source", "source_file", "source_env")
"""Options that name where pictures come from: a camera has one of them."""


def _camera_id(text: str) -> str:
    if "://" in text:  # not repeated: it may hold a password
        raise ValueError("this is an address; the id is the camera's name, and its address is source")
    try:
        check_camera_id(text)
    except BadMessage as exc:
        raise ValueError(str(exc)) from exc
    if text == PROBE_CAMERA:
        raise ValueError(f"{PROBE_CAMERA} is the camera of `mien probe`: give this one another id")
    return text


def _source(value: Any) -> Any:
    return str(value) if type(value) is int else value  # a webcam's number


def _without_secret(source: str) -> str:
    if not source:
        raise ValueError("it is empty")
    url = parse_url(source)
    if "://" in source and (url is None or "@" in source):
        raise ValueError(
            "an address with user and password does not belong here, where many can read it: write it to a "
            "file and name that as source_file, or into a variable and name that as source_env"
        )
    if "${" in source:
        raise ValueError("variables are not filled in: name the one that holds the source as source_env")
    return source


def _priority(value: Any) -> int:
    if isinstance(value, str) and value in PRIORITIES:
        return PRIORITIES[value]
    if type(value) is int and 0 <= value <= 9:
        return value
    raise ValueError(f"a priority is one of {', '.join(PRIORITIES)}, or a number from 0 to 9")


def priority_of_frames(number: int) -> Priority:
    """What `mien camera --priority` calls it: the frames tell three apart."""
    return "low" if number < 4 else "normal" if number < 7 else "high"


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Source = Annotated[str, BeforeValidator(_source), AfterValidator(_without_secret)]


class Options(BaseModel):
    """What may stand at a camera and, for all that do not say it themselves, under ``defaults``.

    They are those of `mien camera`, whose help says what each means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    fps: float | None = Field(None, ge=0.1, le=240, allow_inf_nan=False)
    width: int = Field(1280, ge=64, le=7680)
    quality: int = Field(85, ge=10, le=100)
    keyframes: bool = False
    hardware: Name | None = None
    repeat: bool = False
    group: Name | None = None
    priority: Annotated[int, BeforeValidator(_priority)] = PRIORITIES["normal"]
    enabled: bool = True


class Camera(Options):
    """One camera of the file."""

    id: Annotated[str, AfterValidator(_camera_id)]
    source: Source | None = None
    source_file: str | None = Field(None, min_length=1)
    source_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    def read_source(self) -> str:
        """Where its pictures come from; it may hold a password.

        Raises:
            SettingsInvalid: if the file or variable that it is to be taken from is not there, or holds none.
        """
        at = f"camera {self.id}"
        if self.source_file is not None:
            source = read_secret(self.source_file, f"{at}: source_file")
        elif self.source_env is not None:
            source = secret_variable(self.source_env, f"{at}: source_env")
        else:
            source = self.source or ""
        if "\0" in source:  # what no environment can hold
            raise SettingsInvalid(f"{at}: its source is no text: it holds a zero byte")
        try:
            return refuse_ambiguous(source)
        except SettingsInvalid as exc:
            raise SettingsInvalid(f"{at}: {exc}") from exc

    @property
    def source_stamp(self) -> Stamp | None:
        """What differs when the file with its source was written anew."""
        return stamp(Path(self.source_file)) if self.source_file is not None else None

    def is_called(self, pattern: str) -> bool:
        """Whether a pattern with stars means it, by its id or by its group."""
        return any(fnmatchcase(name, pattern) for name in (self.id, self.group) if name is not None)


class _File(BaseModel):
    """The top of cameras.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    defaults: Options = Options()
    cameras: list[dict[str, Any]]


class _Cameras(BaseModel):
    """The list, with the defaults put in."""

    cameras: list[Camera]


def read(path: Path) -> list[Camera]:
    """The cameras of a file, in its order.

    Raises:
        SourceNotFound: if it cannot be read.
        FileInvalid: with a line for each problem.
    """
    return parse(read_text(path), str(path))


def parse(text: str, name: str) -> list[Camera]:
    """The cameras of a text; ``name`` stands in errors for its file."""
    document = Document(text, name)
    try:
        file = _File.model_validate(document.value)
        defaults = document.value.get("defaults", {})
        found = _Cameras.model_validate({"cameras": [defaults | entry for entry in file.cameras]}).cameras
    except ValidationError as exc:
        raise document.invalid(exc) from exc
    problems: list[tuple[Place, str]] = []
    ids: set[str] = set()
    for index, camera in enumerate(found):
        if camera.id in ids:
            problems.append((("cameras", index, "id"), f"a second camera is called {camera.id}"))
        ids.add(camera.id)
        if sum(getattr(camera, field) is not None for field in SOURCES) != 1:
            problems.append((("cameras", index), f"a camera needs one of {', '.join(SOURCES)}"))
    if problems:
        raise document.refused(problems)
    return found
