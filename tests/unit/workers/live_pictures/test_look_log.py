"""Looks are written down, but not each of a stream of them."""

from workers.live_pictures import look_log
from workers.live_pictures.look_log import EVERY_S, LookLog


def test_the_first_look_and_one_a_minute_are_written_down() -> None:
    looks = LookLog()

    due = [at_s for at_s in range(181) if looks.is_due("anna", "lobby", "shown", float(at_s))]

    assert due == [0, 60, 120, 180]


def test_each_person_camera_and_kind_has_its_own_minute() -> None:
    looks = LookLog()
    who = [("anna", "lobby", "shown"), ("ben", "lobby", "shown"), ("anna", "hall", "shown")]
    who.append(("anna", "lobby", "hidden"))

    assert all(looks.is_due(*one, 0.0) for one in who)
    assert not any(looks.is_due(*one, EVERY_S - 1) for one in who)


def test_it_does_not_grow_for_ever() -> None:
    looks = LookLog()
    for number in range(look_log.KNOWN_MAX):
        looks.is_due("anna", f"camera-{number}", "shown", 0.0)
    assert looks.is_due("anna", "another", "shown", EVERY_S)

    assert looks.known == 1
