"""How much the space that is left allows."""

import pytest

from replicator.core.room import Room, notice, room_of


@pytest.mark.parametrize(
    ("free_bytes", "room"),
    [(0, Room.FULL), (99, Room.FULL), (100, Room.LOW), (199, Room.LOW), (200, Room.PLENTY), (1 << 60, Room.PLENTY)],
)
def test_below_the_reserve_it_is_full_and_below_twice_the_reserve_low(free_bytes, room):
    assert room_of(free_bytes, 100) is room


def test_without_a_reserve_a_disk_is_never_short():
    assert room_of(0, 0) is Room.PLENTY


def test_it_is_said_before_the_disk_is_full():
    assert notice(300 << 20, 100 << 20) == ""
    assert "nearly full: 150 MiB left" in notice(150 << 20, 100 << 20)
    assert "disk is full: 50 MiB left" in notice(50 << 20, 100 << 20)
