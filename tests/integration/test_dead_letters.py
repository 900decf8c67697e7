"""`mien dead-letters` on a real Kafka: what a stage refused is looked at, and sent back once."""

import json
from typing import Any

from harness import Chain, eventually, the_line


def listed(chain: Chain, *options: str) -> list[dict[str, Any]]:
    status, out, err = chain.run("dead-letters", "list", "--json", *options)
    assert status == 0, err
    return list(json.loads(out))


def test_a_refused_message_is_listed_shown_and_sent_back_once(chain: Chain) -> None:
    chain.start_stages("landmarks")
    headers = {"seq": "1", "captured-at": "1764000000000000", "size": "320x240", "source": "file"}
    chain.send("frames", b"door", b"no picture \x1b[2J", headers)
    eventually(chain.dead_letters, "the dead letter")
    (letter,) = listed(chain)

    assert (letter["place"], letter["stage"], letter["reason"]) == ("0", "landmarks", "not-a-jpeg")
    assert (letter["topic"], letter["replayed"]) == (f"{chain.prefix}.frames", False)
    assert listed(chain, "--reason", "corrupt") == []
    status, out, err = chain.run("dead-letters", "show", "0")
    assert status == 0, err
    assert "key: door\n" in out
    assert "header seq: 1\n" in out
    assert "no picture .[2J" in out

    for expected in ("replayed", "already"):
        status, out, err = chain.run("dead-letters", "replay", "--offset", "0", "--yes", "--json")
        assert status == 0, err
        assert [one["outcome"] for one in json.loads(out)] == [expected]
    frames = chain.tail("frames").poll()
    assert [(m.key(), m.value(), dict(m.headers())) for m in frames] == [
        (b"door", b"no picture \x1b[2J", {name: text.encode() for name, text in headers.items()})
    ] * 2

    eventually(lambda: len(listed(chain)) == 2, "a second letter: it is no better than it was")
    assert [letter["replayed"] for letter in listed(chain)] == [True, False]
    status, _, err = chain.run("dead-letters", "show", "99")
    assert status == 66
    assert "There is no dead letter 99" in the_line(err)
