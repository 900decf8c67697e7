"""Whatever form an address has: nothing that Mien prints, logs or counts holds a word of its secret."""

import asyncio
import io
from collections.abc import Callable

import cv2
import hypothesis
import prometheus_client
import pytest
from hypothesis import given
from made_up_addresses import FORMS, SECRETS, WORD

from streams import logs, settings
from streams.errors import MienError
from streams.health import Health
from streams.settings import Settings
from streams.store import connection
from workers.camera.reading_thread import CameraOptions, Outcomes, Reader, Slot
from workers.camera.source_choice import chosen_source

few = hypothesis.settings(max_examples=12)
"""Of each form, since an example reads all settings several times."""


def error_of(call: Callable[[], object]) -> str:
    """What it says where it refuses; nothing where it does not."""
    try:
        call()
    except MienError as exc:
        return str(exc)
    return ""


class NeverOpens:
    """Stands for a camera that does not answer."""

    def __init__(self, *_address: object) -> None:
        pass

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's name
        return False


@pytest.mark.parametrize("form", FORMS)
@few
@given(secret=SECRETS)
def test_settings_and_their_errors_tell_no_secret(form: str, secret: str) -> None:
    address = form.replace("{}", secret).replace("\0", "")
    with pytest.MonkeyPatch.context() as patch:
        for name in settings.secrets():
            if name != "kafka_ssl_key_password":
                patch.setenv(settings.environment_name(name), address)
        patch.setenv("MIEN_KAFKA_BOOTSTRAP_SERVERS", address)
        with pytest.raises(MienError) as told:
            settings.load()
        assert WORD not in str(told.value)
        patch.delenv("MIEN_KAFKA_BOOTSTRAP_SERVERS")
        patch.setenv("MIEN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        patch.setenv("MIEN_KAFKA_SASL_USERNAME", "ann")
        patch.setenv("MIEN_ALLOW_PLAINTEXT", "true")
        loaded = settings.load()
        assert WORD not in str(settings.in_force(loaded)) + repr(loaded) + str(loaded)
        for name in settings.secrets():  # the secret where the name of a file belongs
            patch.delenv(settings.environment_name(name), raising=False)
            patch.setenv(settings.file_variable(name), address)
            with pytest.raises(MienError) as told:
                settings.load()
            patch.delenv(settings.file_variable(name))
            assert WORD not in str(told.value)


@pytest.mark.parametrize("form", FORMS)
@few
@given(secret=SECRETS)
def test_a_redis_that_cannot_be_used_is_told_without_the_secret(form: str, secret: str) -> None:
    chosen = Settings(redis_url=form.replace("{}", secret), allow_plaintext=True)

    async def use() -> None:
        async with connection.client(chosen, timeout_s=1):
            pass

    assert WORD not in error_of(lambda: asyncio.run(use()))
    assert WORD not in str(connection.unavailable(chosen, connection.RedisError("Error 111 connecting")))


@pytest.mark.parametrize("form", FORMS)
@few
@given(secret=SECRETS)
def test_a_camera_that_cannot_be_read_is_told_without_the_secret(form: str, secret: str) -> None:
    """In its log, its errors and its metrics, whether or not the address was refused beforehand."""
    address = form.replace("{}", secret).replace("\0", "")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "VideoCapture", NeverOpens)
        patch.setattr("sys.stderr", said)
        logs.configure("debug", "console")
        assert WORD not in error_of(lambda: chosen_source(Settings(), address, None))
        options = CameraOptions("secretive", address)
        reader = Reader(Settings(), options, Slot.__new__(Slot), Health("source"), Outcomes("secretive"), 0)
        patch.setattr(reader._stopped, "wait", lambda _s: reader.stop())  # once is enough
        assert WORD not in error_of(reader._read_and_reconnect)
    assert WORD not in said.getvalue()
    assert WORD.encode() not in prometheus_client.generate_latest()
