"""Reads the metrics of other processes of ours: for the demo's table and `mien bench`."""

import asyncio
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


def get(port: int, path: str, timeout_s: float = 2.0) -> tuple[int, str]:
    """Status and body of a page of a stage on this machine; status 0 if nobody answers."""
    try:
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # nosec B310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()
    except OSError:
        return 0, ""


async def get_async(port: int, path: str, *, accept: str = "", timeout_s: float = 2.0) -> tuple[int, str]:
    """As `get`, for an event loop that asks many."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except OSError:  # also where it takes too long
        return 0, ""
    return (int(head.split()[1]), body.decode()) if head else (0, "")


def samples(port: int, timeout_s: float = 2.0) -> Iterator[Sample]:
    """Yields all samples of a stage; none if it does not answer in time."""
    _, text = get(port, "/metrics", timeout_s)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield Sample(sample.name, sample.labels, sample.value)


def totals(port: int, name: str, label: str) -> Counter[str]:
    """The samples of one counter, summed by one of its labels."""
    sums: Counter[str] = Counter()
    for sample in samples(port):
        if sample.name == name:
            sums[sample.labels[label]] += int(sample.value)
    return sums
