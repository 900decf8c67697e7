"""Searches everything that outlives a frame for JPEGs: topics, Redis, disks."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import redis
import simplejpeg
from harness import Chain, Tail

_START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")


class Place(NamedTuple):
    """Where bytes were found."""

    name: str
    data: bytes


def has_jpeg(data: bytes) -> bool:
    """Whether there is, anywhere in it, the beginning of a JPEG whose header can be read."""
    return any(map(_is_jpeg, (data[found.start() :] for found in _START.finditer(data))))


def _is_jpeg(data: bytes) -> bool:
    """The four bytes alone come by chance among so many numbers."""
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return False
    return True


def places_with_jpegs(places: Iterable[Place]) -> list[str]:
    return sorted({place.name for place in places if has_jpeg(place.data)})


def records(chain: Chain) -> Iterator[Place]:
    """Key, value and headers of every record in every topic of a chain."""
    for name, topic in chain.admin.list_topics(timeout=30).topics.items():
        if name.startswith(f"{chain.prefix}."):
            tail = Tail(chain.bootstrap, name, len(topic.partitions))
            try:
                for record in tail.poll():
                    parts = [record.key(), record.value(), *(raw for _, raw in record.headers() or [])]
                    yield Place(name, b"\n".join(part or b"" for part in parts))
            finally:
                tail.close()


def redis_values(client: redis.Redis) -> Iterator[Place]:
    """Every key with all that it holds."""
    readers = {b"string": client.get, b"hash": client.hgetall, b"zset": lambda key: client.zrange(key, 0, -1)}
    for key in client.scan_iter():
        value = readers[client.type(key)](key)
        parts = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        yield Place(key.decode(), b"\n".join([key, *parts]))


def files(*folders: Path) -> Iterator[Place]:
    """Every file below the folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield Place(str(path.relative_to(folder.parent)), path.read_bytes())
