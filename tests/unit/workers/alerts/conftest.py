"""The fixture that makes sightings."""

from made_up_sightings import see  # noqa: F401  # pytest finds it here
