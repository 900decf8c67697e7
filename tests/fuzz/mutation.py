"""Makes bad bytes of good ones: what libFuzzer does to its inputs, without its view of the code."""

import random
from collections.abc import Callable, Sequence

MAX_BYTES = 64 * 1024
_ODD = [0, 1, 2, 0x20, 0x2D, 0x30, 0x39, 0x5C, 0x7B, 0x7F, 0x80, 0xC0, 0xDC, 0xDF, 0xFE, 0xFF]
_ODD_TEXT = [
    b"0", b"-1", b"9007199254740993", b"1e999", b"-0.0", b"NaN", b"null", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"{}", b"[]", b"\x00", b"\xff" * 8, b"\x7f" * 8, b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
]  # fmt: skip
"""Numbers at the edges, what is no UTF-8, MessagePack's infinity and headers of endless arrays and maps."""


class Mutator:
    """Bad bytes without end, the same ones for the same ``seed``."""

    def __init__(self, seed: int, words: Sequence[bytes] = ()) -> None:
        """``words`` have a meaning where the bytes go: names of fields, marks of a format."""
        self._random = random.Random(seed)
        self._words = [*_ODD_TEXT, *words]
        self._ways: list[Callable[[bytearray], None]] = [
            self._flip, self._flip, self._set, self._set, self._insert, self._delete, self._repeat,
            self._cut_off, self._word, self._word, self._number,
        ]  # fmt: skip

    def of(self, corpus: Sequence[bytes]) -> bytes:
        """A mutation of one of these, or of two."""
        draw = self._random
        data = bytearray(draw.choice(corpus))
        if draw.random() < 0.1:
            other = draw.choice(corpus)
            data = data[: draw.randint(0, len(data))] + other[draw.randint(0, len(other)) :]
        for _ in range(1 << draw.randint(0, 4)):
            draw.choice(self._ways)(data)
        return bytes(data[:MAX_BYTES])

    def _place(self, data: bytearray) -> int:
        return self._random.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.choice(_ODD)

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._random.randbytes(self._random.randint(1, 8))

    def _delete(self, data: bytearray) -> None:
        at = self._place(data)
        del data[at : at + self._random.randint(1, 16)]

    def _repeat(self, data: bytearray) -> None:
        at, to = self._place(data), self._place(data)
        data[to:to] = data[at : at + self._random.randint(1, 64)] * self._random.choice((1, 1, 2, 16))

    def _cut_off(self, data: bytearray) -> None:
        if self._random.random() < 0.2:
            del data[self._place(data) :]

    def _word(self, data: bytearray) -> None:
        at, word = self._place(data), self._random.choice(self._words)
        data[at : at + self._random.choice((0, 0, 1, len(word)))] = word

    def _number(self, data: bytearray) -> None:
        """A run of digits becomes another one."""
        digits = [place for place, byte in enumerate(data[:2000]) if 48 <= byte <= 57]
        if digits:
            at = self._random.choice(digits)
            data[at : at + self._random.randint(1, 4)] = str(self._random.getrandbits(64)).encode()[
                : self._random.randint(1, 20)
            ]
