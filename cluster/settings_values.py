"""What the sections of cluster.yaml are made of: bounded numbers, names, ranges of ports."""

from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=0)]
Rate = Annotated[int, Meta(ge=1)]
Quantity = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mapping in the file."""


class Ports(Section, frozen=True):
    """An inclusive range of TCP ports."""

    first: Port
    last: Port

    def all(self) -> range:
        """Every port of the range."""
        return range(self.first, self.last + 1)

    def meets(self, other: "Ports") -> bool:
        """Whether a port is in both."""
        return self.first <= other.last and other.first <= self.last
