"""A change that is about to appear on the disk: what a restart knows it by, if it was cut off."""

import msgspec

from replicator.core.head import Kind, Vector
from replicator.core.place import Row


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is about to appear on the disk: `gone` paths vanish, `path` then has this content.

    With `seen` it is a version that others made, and these are the versions that it and we had seen. `now_ns` is when
    it was intended: finished after a crash, it must not rank above what others did meanwhile. `account`: who asked.
    `known`: `path` then has a file that stands in the tree already, and is only touched or renamed; what stat then says
    of it. `saw`: what who asked had seen of the path (of `gone`, where that is the only one), where that is known.
    """

    path: str
    content_id: str = ""
    gone: str = ""
    seen: Vector = {}
    now_ns: int = 0
    account: str = ""
    known: Row | None = None
    saw: Vector | None = None

    def reached(self, seen: Row) -> Row | None:
        """What the index is to know of what was read at `path`, if that is what was intended.

        A known file is known by its stat: its content may have rotted, and nobody made a version of that.
        """
        if self.known is not None and seen.same_file(self.known):
            return msgspec.structs.replace(seen, content_id=self.content_id)
        kind = Kind.FILE if self.content_id else Kind.DIRECTORY
        return seen if (seen.kind, seen.content_id) == (kind, self.content_id) else None
