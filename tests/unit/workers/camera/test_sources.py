"""What `--source` names, or does not."""

import pytest

from streams.errors import SourceNotFound
from workers.camera.sources import open_source

MAX_PIXELS = 640 * 480


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("/no/such/video.mp4", "does not exist"),
        ("", "does not exist"),
        ("demo:juggling", "juggling.*smile"),
        ("977", "webcam 977 cannot be opened"),
        ("/dev/video977", "webcam 977 cannot be opened"),
        ("gopher://host/x", "addresses start with"),
    ],
)
def test_a_source_that_does_not_exist_says_what_would(spec: str, words: str) -> None:
    with pytest.raises(SourceNotFound, match=words):
        open_source(spec, max_pixels=MAX_PIXELS)


def test_an_address_without_its_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(SourceNotFound, match="does not exist") as told:
        open_source("admin:hunter2@10.0.0.7/ch1", max_pixels=MAX_PIXELS)
    assert "hunter2" not in str(told.value)
