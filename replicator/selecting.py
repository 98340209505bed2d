"""Has a replica follow the patterns of its settings: what they exclude is neither told, heard, looked at nor settled.

What the index knows of an excluded path is left as it is, so changed patterns delete nothing. When they differ from
those of the last run, the peers are asked to tell everything again: some of it was not heard for their sake.
"""

import msgspec

from cluster.content_id import content_id_of
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.selection import excluder
from replicator.index.index import Index

log = logger(__name__)


def follow_selection(index: Index, settings: Replication) -> None:
    """Before anything is heard or looked at."""
    index.excludes = excluder(settings.exclude, settings.include)
    index.pending.difference_update([path for path in index.pending if index.excludes(path)])
    patterns = msgspec.json.encode((settings.exclude, settings.include))
    mark = content_id_of(patterns) if settings.exclude else ""
    if mark == index.facts.selection:
        return
    log.info("other paths are replicated than before; the peers are asked for all news again")
    for peer, facts in list(index.peers.items()):
        index.note_peer(peer, msgspec.structs.replace(facts, seen=0, held=0))
    index.note(msgspec.structs.replace(index.facts, selection=mark))
