"""Where a camera's source is named: `--source`, `--source-file`, or MIEN_CAMERA_SOURCE.

An argument can be read by every user of the machine, in `ps`, so an address with a password belongs in one
of the other two.
"""

from pathlib import Path

from streams.errors import SettingsInvalid
from streams.redact_url import parse_url
from streams.secret_file import read_secret
from streams.settings import Settings


def chosen_source(settings: Settings, source: str | None, source_file: Path | None) -> str | None:
    """The source that is named, by an option rather than by the setting; None if there is none.

    Raises:
        SettingsInvalid: if the file cannot be read; or if the address can be read in two ways, because its
            password holds a sign that ends it too early.
    """
    if source_file is not None:
        source = read_secret(str(source_file), "--source-file")
    elif source is None and settings.camera_source:
        source = settings.camera_source.get_secret_value()
    return refuse_ambiguous(source) if source else source


def refuse_ambiguous(source: str) -> str:
    """The source. Raises SettingsInvalid if it is an address that can be read in two ways."""
    if "://" in source and not parse_url(source):
        raise SettingsInvalid(
            "The address of the camera can be read in two ways, so that a piece of its password may be taken "
            "for the host. Percent-encode special signs in user, password and path: @ as %40, / as %2F, "
            "# as %23, ? as %3F, a space as %20"
        )
    return source
