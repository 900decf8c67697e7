"""/metrics, /healthz and /readyz over HTTP."""

import asyncio
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams import health as health_
from streams import metrics
from streams.errors import SettingsInvalid
from streams.health import Health, MetricsServer

CONDITIONS = ("model loaded", "partitions assigned")
HEALTH = Health(*CONDITIONS)


@pytest.fixture(scope="module")
def server() -> Iterator[MetricsServer]:
    with MetricsServer(HEALTH, "127.0.0.1", 0) as server:
        yield server


@pytest.fixture
def health() -> Health:
    """The server's, as at the start."""
    for condition in CONDITIONS:
        HEALTH.set_unready(condition)
    HEALTH.progress()
    return HEALTH


def get(server: MetricsServer, path: str) -> tuple[int, str, str]:
    """Status, content type, text."""
    url = server.address.removesuffix("/metrics") + path
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own server
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_prometheus_text(server: MetricsServer) -> None:
    metrics.faces_total.labels("test-health").inc(3)

    status, kind, text = get(server, "/metrics")

    assert status == 200
    assert kind.startswith("text/plain; version=")
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert ("mien_faces_total", {"camera": "test-health"}, 3) in [tuple(s)[:3] for s in samples]


def test_openmetrics_is_given_to_who_asks_for_it_with_exemplars(server: MetricsServer) -> None:
    metrics.observe_frame_age("classify", 0, "live", "0af7651916cd43dd8448eb211c80319c")
    wanted = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    asked = urllib.request.Request(server.address, headers=wanted)  # noqa: S310  our own server
    with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310
        text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")

    assert '# {trace_id="0af7651916cd43dd8448eb211c80319c"}' in text
    assert text.endswith("# EOF\n")


def test_a_scraper_may_add_a_query(server: MetricsServer) -> None:
    assert get(server, "/metrics?name[]=up")[0] == 200


def test_ready_only_while_every_condition_holds(server: MetricsServer, health: Health) -> None:
    assert get(server, "/readyz")[::2] == (503, "waiting for: model loaded, partitions assigned\n")
    health.set_ready("partitions assigned")
    assert get(server, "/readyz")[::2] == (503, "waiting for: model loaded\n")
    health.set_ready("model loaded")
    assert get(server, "/readyz")[::2] == (200, "ok\n")
    health.set_unready("partitions assigned")
    assert get(server, "/readyz")[::2] == (503, "waiting for: partitions assigned\n")


def test_healthy_while_the_loop_turns_even_before_it_is_ready(server: MetricsServer, health: Health) -> None:
    assert health.not_ready
    assert get(server, "/healthz")[::2] == (200, "ok\n")


def test_a_loop_that_stands_still_is_unhealthy_and_recovers(server: MetricsServer, health: Health) -> None:
    health._progress_at_s -= health_.STALL_S + 1
    status, _, text = get(server, "/healthz")
    assert (status, text) == (503, "the event loop stands still since 21 s\n")

    health.progress()
    assert get(server, "/healthz")[0] == 200


def test_a_short_pause_is_no_stall(health: Health) -> None:
    health._progress_at_s -= health_.STALL_S / 2

    assert health.answer("/healthz") == (200, "ok\n")


async def test_the_beat_is_progress(health: Health) -> None:
    health._progress_at_s -= health_.STALL_S + 1
    beat = asyncio.ensure_future(health.beat())
    await asyncio.sleep(0)
    beat.cancel()

    assert health.answer("/healthz")[0] == 200


async def test_a_blocked_loop_has_no_beat(health: Health) -> None:
    beat = asyncio.ensure_future(health.beat(interval_s=0.01))
    await asyncio.sleep(0)
    health._progress_at_s -= health_.STALL_S + 1  # no await: the beat cannot run in between

    assert health.answer("/healthz")[0] == 503
    async with asyncio.timeout(10):
        while health.answer("/healthz")[0] != 200:
            await asyncio.sleep(0.01)
    beat.cancel()


def test_another_path_says_what_there_is(server: MetricsServer) -> None:
    status, _, text = get(server, "/")

    assert status == 404
    assert "/metrics" in text
    assert "/readyz" in text


def test_a_port_in_use_is_a_wrong_setting_with_advice(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsInvalid, match=rf"127\.0\.0\.1:{port}.*MIEN_METRICS_PORT"):
            MetricsServer(health, "127.0.0.1", port)


def test_a_host_that_is_not_ours_is_a_wrong_setting(health: Health) -> None:
    with pytest.raises(SettingsInvalid, match=r"192\.0\.2\.1"):
        MetricsServer(health, "192.0.2.1", 0)


def test_the_port_is_free_again_after_the_end(health: Health) -> None:
    with MetricsServer(health, "127.0.0.1", 0) as server:
        port = int(server.address.rpartition(":")[2].partition("/")[0])
    with MetricsServer(health, "127.0.0.1", port) as again:
        assert f":{port}/" in again.address


def test_the_address_can_be_clicked_when_it_listens_everywhere(health: Health) -> None:
    with MetricsServer(health, "0.0.0.0", 0) as server:  # noqa: S104
        assert server.address.startswith("http://localhost:")


def test_an_ipv6_address_can_be_listened_on() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as exc:
        pytest.skip(f"this machine has no IPv6 loopback: {exc}")
    with MetricsServer(Health(), "::1", 0) as server:
        port = server.address.rpartition(":")[2].partition("/")[0]
        with urllib.request.urlopen(f"http://[::1]:{port}/healthz") as answer:
            assert answer.status == 200
