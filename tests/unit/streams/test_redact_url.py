"""No password in a log line, wherever in an address it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_addresses import FORMS, SECRETS, WORD

from streams.redact_url import LEFT_OUT, is_loopback, parse_url, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.7:554/ch1", "rtsp://10.0.0.7:554/ch1"),
        ("http://token@cam/live/7", "http://cam/live…"),
        ("http://cam/v.cgi?user=me&pwd=s3cret&r=2", "http://cam/v.cgi…"),
        ("http://cam/videostream.cgi?loginuse=a&loginpas=s3cret", "http://cam/videostream.cgi…"),
        ("http://cam?psw=s3cret", "http://cam…"),
        ("rtsp://10.0.0.7:554/user=admin_password=s3cret_channel=1.sdp", "rtsp://10.0.0.7:554…"),
        ("https://cam/v#pw=s3cret", "https://cam/v…"),
        ("http://cam/live", "http://cam/live"),
        ("http://cam", "http://cam"),
        ("rediss://ann:s3cret@[::1]:6379/0", "rediss://[::1]:6379/0"),
        ("unix:///run/redis.sock?password=s3cret", "unix:///run…"),
        # Of two readings none is shown: the host may be a piece of the password.
        ("redis://:p@ss/w#rd@host", "redis://…"),
        ("redis://:pass/word@host", "redis://…"),
        ("rtsp://admin:p@ss@cam/ch1", "rtsp://…"),
        ("rtsp://admin:se cret@cam/ch1", "rtsp://…"),
        ("rtsp://admin:s3cret@cam:port/ch1", "rtsp://…"),
        ("rtsp://admin:s3cret@cam\n/ch1", "rtsp://…"),
        ("s3 cret://cam", "://…"),
        # Without a scheme: what can only be a file, or nothing.
        ("/data/me/video 2.mp4", "/data/me/video 2.mp4"),
        ("../Bücher/film.mp4", "../Bücher/film.mp4"),
        ("demo:smile", "demo:smile"),
        ("0", "0"),
        ("admin:s3cret@10.0.0.7/ch1", LEFT_OUT),
        ("rtsp:/admin:s3cret@10.0.0.7/ch1", LEFT_OUT),
        (":s3cret@redis.local:6379", LEFT_OUT),
        ("cam/v.cgi?user=me&pwd=s3cret", LEFT_OUT),
        ("cam/user=admin_password=s3cret", LEFT_OUT),
        ("\x1b[2Jfilm.mp4", LEFT_OUT),
    ],
)
def test_of_an_address_only_scheme_host_and_first_folder_are_shown(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize("form", FORMS)
@given(secret=SECRETS)
def test_no_word_of_a_secret_is_shown_in_any_form_of_address(form: str, secret: str) -> None:
    assert WORD not in redact_url(form.replace("{}", secret))


@given(user=st.text(), password=st.text(), host=st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True))
def test_the_host_that_is_read_is_never_a_piece_of_the_password(user: str, password: str, host: str) -> None:
    url = parse_url(f"redis://{user}:{password}@{host}/0")
    assert url is None or (url.host, url.rest) == (host, "/0")


@pytest.mark.parametrize(
    "url", ["rtsp://u:p%40ss@cam:554/a/b?c=d", "redis://localhost", "unix:///run/r.sock"]
)
def test_an_address_with_escaped_signs_can_be_used(url: str) -> None:
    assert parse_url(url)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("redis.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104
        ("10.0.0.1", False),
        ("redis", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("", False),
    ],
)
def test_only_loopback_is_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///run/redis.sock", True),
        ("redis:///0", True),
        ("redis:///0?host=elsewhere.example", False),
        ("redis://[::1]:6379", True),
        ("redis://redis.redis:6379/0", False),
    ],
)
def test_an_address_is_local_or_not(url: str, local: bool) -> None:
    parsed = parse_url(url)
    assert parsed is not None
    assert parsed.is_local is local
