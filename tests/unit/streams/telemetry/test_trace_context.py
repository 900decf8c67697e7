"""W3C Trace Context: what is read, what is written, and what others send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.telemetry import trace_context
from streams.telemetry.trace_context import CE_HEADER, LENGTH, TraceContext, of_event, parse, sampled_trace_id

# The specification's own example.
EXAMPLE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
IDS = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)


@given(st.booleans())
def test_a_new_trace_is_read_as_it_was_made(sampled: bool) -> None:
    context = TraceContext.new(sampled=sampled)

    assert parse(str(context)) == context
    assert len(str(context)) == LENGTH
    assert TraceContext.new(sampled=sampled) != context


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (EXAMPLE, IDS),
        (EXAMPLE[:-2] + "00", IDS._replace(sampled=False)),
        (EXAMPLE[:-2] + "03", IDS),  # flags that are not known yet
        ("01" + EXAMPLE[2:] + "-what-comes-later", IDS),
        ("00" + EXAMPLE[2:] + "-more", None),  # version 00 has no more
        ("ff" + EXAMPLE[2:], None),
        (EXAMPLE.upper(), None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", None),
        (f" {EXAMPLE}", None),
        ("01" + EXAMPLE[2:] + "-" + "x" * 1000, None),
        ("", None),
    ],
)
def test_what_the_specification_says_of_it(text: str, context: TraceContext | None) -> None:
    assert parse(text) == context


@given(st.text(max_size=600) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,9}"))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    context = parse(text)
    if context:
        assert parse(str(context)) == context
    assert sampled_trace_id(text) in (None, context.trace_id if context else None)


@given(st.lists(st.tuples(st.sampled_from([CE_HEADER, "ce_id"]), st.none() | st.binary(max_size=80))))
def test_an_events_headers_may_hold_anything(headers: list[tuple[str, bytes | None]]) -> None:
    found = of_event(headers)
    assert found == "" or parse(found)


def test_the_context_of_an_event_is_in_its_extension() -> None:
    assert of_event([("ce_id", b"1"), (CE_HEADER, EXAMPLE.encode())]) == EXAMPLE
    assert of_event([(CE_HEADER, b"nonsense")]) == ""
    assert of_event([(CE_HEADER, b"\xff" * 9_000)]) == ""
    assert of_event([]) == ""


def test_only_a_trace_that_is_recorded_is_worth_an_exemplar() -> None:
    assert sampled_trace_id(EXAMPLE) == IDS.trace_id
    assert sampled_trace_id(EXAMPLE[:-2] + "00") is None
    assert sampled_trace_id("") is None
    assert sampled_trace_id("nonsense") is None


def test_ids_are_never_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    given_ = iter(["0" * 32, "a" * 32, "0" * 16, "b" * 16])
    monkeypatch.setattr(trace_context.secrets, "token_hex", lambda _n: next(given_))
    assert TraceContext.new(sampled=True) == TraceContext("a" * 32, "b" * 16, sampled=True)
