"""No password in a log line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.redact_url import redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.7:554/ch1", "rtsp://admin:***@10.0.0.7:554/ch1"),
        ("rtsp://admin:p@ss/w#rd@cam/ch1?x=1", "rtsp://admin:***@cam/ch1?x=1"),
        ("http://token@cam/live", "http://***@cam/live"),
        ("http://cam/v.cgi?user=me&pwd=s3cret&r=2", "http://cam/v.cgi?user=me&pwd=***&r=2"),
        ("https://cam/v?access_token=abc#t", "https://cam/v?access_token=***#t"),
        ("http://cam/live", "http://cam/live"),
        ("/data/me@home/video.mp4", "/data/me@home/video.mp4"),
        ("demo:smile", "demo:smile"),
        ("admin:s3cret@10.0.0.7/ch1", "admin:***@10.0.0.7/ch1"),
        ("rtsp:/admin:s3cret@10.0.0.7/ch1", "rtsp:***@10.0.0.7/ch1"),
        (":s3cret@redis.local:6379", ":***@redis.local:6379"),
        ("cam/v.cgi?user=me&pwd=s3cret", "cam/v.cgi?user=me&pwd=***"),
        ("./12:30 me@home.mp4", "./12:30 me@home.mp4"),
        ("me@home.mp4", "me@home.mp4"),
    ],
)
def test_redact_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).map(lambda p: f"<{p}>")
)
def test_redact_url_never_shows_a_password(password: str) -> None:
    shown = redact_url(f"rtsp://admin:{password}@cam/ch1?size=2")
    assert shown == "rtsp://admin:***@cam/ch1?size=2"
