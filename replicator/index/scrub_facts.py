"""What a replica remembers of its scrubbing: how far it is, and what was found rotten."""

import msgspec


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was found rotten: `kept` is its file in the quarantine, `content_id` what it should have been."""

    path: str
    content_id: str
    kept: str
    at_ns: int


class ScrubFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The round of scrubbing under way: since when (0: none), and the last path read; when the last one was."""

    cursor: str = ""
    began_ns: int = 0
    last_began_ns: int = 0
    ended_ns: int = 0
