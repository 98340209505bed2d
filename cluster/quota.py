"""How much an account may have below its home, and whether a change fits: decided alike by whoever publishes.

Bytes are those of files; entries are files and directories. What others put below the home counts as well. A change
that adds nothing is never refused, so that an account above its quota can still replace, remove and rename.
"""

import msgspec


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The most that may stand below the tree path `home`; None is no bound."""

    home: str
    bytes: int | None = None
    entries: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """What stands below a folder, or what a change adds to it (negative: takes away)."""

    bytes: int = 0
    entries: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.bytes + other.bytes, self.entries + other.entries)

    def __neg__(self) -> "Usage":
        return Usage(-self.bytes, -self.entries)


NOTHING = Usage()


def overrun(quota: Quota, used: Usage, added: Usage) -> str | None:
    """Why `added` does not fit beside `used`, in one line; None when it does."""
    for what, most, before, more in (
        ("bytes", quota.bytes, used.bytes, added.bytes),
        ("files and directories", quota.entries, used.entries, added.entries),
    ):
        if most is not None and more > 0 and before + more > most:
            return f"{before} of {most} {what} are used, and this would add {more}"
    return None


def most_bytes(quota: Quota, used: Usage, replaced_bytes: int | None) -> int | None:
    """The size up to which an upload fits; None when any does, 0 when no new file does.

    `replaced_bytes` is the size of the file that it replaces, None where there is none. Replacing gives back.
    """
    if replaced_bytes is None and quota.entries is not None and used.entries >= quota.entries:
        return 0
    if quota.bytes is None:
        return None
    there_bytes = replaced_bytes or 0
    return max(quota.bytes - used.bytes + there_bytes, there_bytes)
