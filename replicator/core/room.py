"""Decides how much the space that is left on the disk allows."""

from enum import StrEnum


class Room(StrEnum):
    """PLENTY; LOW: what is only kept for good measure goes; FULL: nothing is taken in and nothing is pulled."""

    PLENTY = "plenty"
    LOW = "low"
    FULL = "full"


def low_bytes(reserve_bytes: int) -> int:
    """With less space than this it is low."""
    return 2 * reserve_bytes


def room_of(free_bytes: int, reserve_bytes: int) -> Room:
    """What a disk with so many bytes left allows."""
    if free_bytes < reserve_bytes:
        return Room.FULL
    return Room.LOW if free_bytes < low_bytes(reserve_bytes) else Room.PLENTY


def notice(free_bytes: int, reserve_bytes: int) -> str:
    """A sentence for an operator, empty where there is room."""
    left = f"{free_bytes >> 20} MiB left"
    match room_of(free_bytes, reserve_bytes):
        case Room.FULL:
            return (
                f"the disk is full: {left}, fewer than the reserve of {reserve_bytes >> 20} MiB; "
                "nothing is pulled and no upload taken until there is room"
            )
        case Room.LOW:
            then = f"below {reserve_bytes >> 20} MiB nothing is pulled and no upload taken"
            return f"the disk is nearly full: {left}; kept versions go, and {then}"
        case Room.PLENTY:
            return ""
