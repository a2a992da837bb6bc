"""Who may go in next? Whoever came first; and nobody waits for longer than was said."""

import threading
import time

import pytest

from idp.errors import Busy
from idp.hashing import Gate
from idp.places import Places, away

LONG = 30.0
"""Seconds. Nothing here waits as long when all is well."""


class Visitor(threading.Thread):
    """Somebody who comes for a place, notes when it has one, and gives it back when told."""

    def __init__(self, places, name, came_in, seconds=LONG):
        super().__init__(name=name, daemon=True)
        self.places, self.came_in, self.seconds = places, came_in, seconds
        self.may_leave, self.refused = threading.Event(), False
        self.start()

    def run(self):
        if not self.places.take(self.seconds):
            self.refused = True
            return
        self.came_in.append(self.name)
        assert self.may_leave.wait(LONG)
        self.places.give_back()

    def leaves(self):
        self.may_leave.set()
        self.join(LONG)
        assert not self.is_alive()


def until(true):
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_DOS_02_who_came_first_goes_first():
    places, came_in, visitors = Places(1), [], []
    for number, name in enumerate("abcdef"):
        visitors.append(Visitor(places, name, came_in))
        until(lambda number=number: len(places._waiting) == number if number else came_in)
    for visitor in visitors:
        visitor.leaves()
    assert came_in == list("abcdef")


def test_DOS_02_whoever_comes_back_at_once_does_not_overtake_who_waits():
    places, came_in = Places(1), []
    assert places.take()
    waiting = Visitor(places, "waits", came_in)
    until(lambda: places._waiting)
    places.give_back()  # it is its place from here on, though it has not even woken up
    assert not places.take(0)
    waiting.may_leave.set()
    assert places.take()
    assert came_in == ["waits"]


def test_as_many_are_inside_as_there_are_places():
    places, came_in = Places(2), []
    first, second = (Visitor(places, name, came_in) for name in ("first", "second"))
    until(lambda: len(came_in) == 2)
    assert not places.take(0)
    third = Visitor(places, "third", came_in)
    until(lambda: places._waiting)
    second.leaves()
    until(lambda: len(came_in) == 3)
    for one in (first, third):
        one.leaves()
    assert places.take(0)
    assert places.take(0)
    assert not places.take(0)


def test_whoever_waited_too_long_is_sent_away_and_takes_nobodys_place():
    places, came_in = Places(1), []
    assert places.take()
    late = Visitor(places, "late", came_in, seconds=0.01)
    late.join(LONG)
    assert late.refused
    assert not places._waiting
    places.give_back()
    for _ in range(4):
        assert places.take(0)
        places.give_back()


def test_whoever_would_wait_for_longer_than_a_clock_counts_waits_until_there_is_a_place():
    places, came_in = Places(1), []
    assert places.take()
    waiting = Visitor(places, "waits", came_in, seconds=1e12)
    until(lambda: places._waiting)
    places.give_back()
    waiting.leaves()
    assert came_in == ["waits"]
    assert places.take(0)


def test_a_place_that_comes_at_the_very_last_moment_is_taken():
    class Slow(Places):
        """Between waiting in vain and going away, a place comes free."""

        def _came_after_all(self, turn):
            self.give_back()
            return super()._came_after_all(turn)

    places = Slow(1)
    assert places.take()
    assert places.take(0.01)
    assert not places._waiting
    assert not places.take(0)


def test_DOS_02_a_gate_says_at_once_when_its_queue_is_full_and_later_when_the_wait_was_too_long():
    gate = Gate(slots=1, queue=1, wait=0.01)
    with gate.enter(), pytest.raises(Busy, match="hash_wait_too_long"), gate.enter():
        pass
    gate = Gate(slots=1, queue=0, wait=LONG)
    with gate.enter(), pytest.raises(Busy, match="hash_queue_full"), gate.enter():
        pass
    with gate.enter():
        pass


class Worker(threading.Thread):
    """Somebody who works on a seat, steps out, and says what happened."""

    def __init__(self, seats, name, said):
        super().__init__(name=name, daemon=True)
        self.seats, self.said = seats, said
        self.may_return, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self):
        self.seats.sit()
        try:
            with away():
                self.said.append(f"{self.name} is away")
                assert self.may_return.wait(LONG)
            self.said.append(f"{self.name} is back")
            assert self.may_go.wait(LONG)
        finally:
            self.seats.get_up()


def test_who_steps_out_leaves_the_seat_to_others_and_comes_back_before_whoever_is_new():
    seats, said = Places(1), []
    stepped_out = Worker(seats, "first", said)
    until(lambda: said == ["first is away"])
    assert seats.take()  # so the seat was free
    new = Visitor(seats, "new", said)
    until(lambda: seats._waiting)
    stepped_out.may_return.set()
    until(lambda: seats._returning)
    seats.give_back()
    until(lambda: "first is back" in said)
    assert "new" not in said
    stepped_out.may_go.set()
    new.leaves()
    assert said == ["first is away", "first is back", "new"]
    assert seats.take(0)
    assert not seats.take(0)


def test_who_comes_back_with_an_error_has_its_seat_again_and_gives_it_back_once():
    seats = Places(1)
    seats.sit()
    with pytest.raises(ZeroDivisionError), away():
        assert seats.take(0)
        seats.give_back()
        raise ZeroDivisionError
    assert not seats.take(0)
    seats.get_up()
    assert seats.take(0)
    assert not seats.take(0)


def test_whoever_has_no_seat_steps_out_of_nothing_and_a_seat_is_left_once():
    seats = Places(1)
    with away():
        assert seats.take(0)
        seats.give_back()
    seats.sit()
    with away(), away():
        assert seats.take(0)
        assert not seats.take(0)
        seats.give_back()
    seats.get_up()
    assert seats.take(0)
    assert not seats.take(0)
