"""Carries out what an earlier run intended and may have half done, by looking at what is on the disk now."""

from cluster.clock import now_ns
from cluster.folders import OddEntryError
from cluster.log import logger
from replicator.core.place import Applied, Written
from replicator.disk.second_names import expect_second_name
from replicator.disk.tree import UnstableError, is_as_recorded, sighting
from replicator.index.intent import Intent
from replicator.replica import Replica

log = logger(__name__)


async def replay_intents(replica: Replica) -> int:
    """Finish every intent whose change reached the disk, forget the others (nobody was told of them); how many.

    Known by content id, or as the very file: a path that has what was intended was published, a `gone` path that is
    absent was removed. What the disk does not let us see now stays in doubt, and the first look that succeeds decides.
    """
    index = replica.index
    intents = dict(index.intents)
    for number, intent in intents.items():
        try:
            await _replay(replica, intent)
        except (UnstableError, OddEntryError) as error:
            log.warning("an intent is given up; the scan decides", path=intent.path, why=repr(error))
        except OSError as error:
            log.warning("what was intended cannot be seen", path=intent.path or intent.gone, why=repr(error))
            if intent.path:
                replica.doubt(intent.path, number)
                continue
        index.forget(number)
    await index.durable()
    return len(intents)


async def expect_doubles_to_go(replica: Replica) -> None:
    """Have the index expect that files of the tree lose their second names in staging (see `Staging.start`).

    OSError when the index cannot be written.
    """
    index, doubles = replica.index, await replica.blocking(replica.staging.doubles)
    seen = {status.st_ino: sighting(status).row for status in doubles.values()}
    for path in list(index.places) if seen else ():
        row = index.place(path).row
        if row is not None and row.same_file(seen.get(row.inode)):
            await expect_second_name(index, path, row)


async def _replay(replica: Replica, intent: Intent) -> None:
    index, tree = replica.index, replica.tree
    if intent.path:
        place = index.place(intent.path)
        seen = await replica.blocking(tree.look, intent.path)
        if seen is not None and not is_as_recorded(seen, place.row):
            seen = await replica.blocking(tree.read, intent.path)
            row = intent.reached(seen.row) if seen is not None else None
            if seen is not None and row is not None:
                if intent.seen:
                    index.feed(intent.path, Applied(row=row, seen=intent.seen))
                else:
                    written = Written(row=row, mode=seen.mode, now_ns=intent.now_ns or now_ns(), saw=intent.saw,
                                      account=intent.account)  # fmt: skip
                    index.feed(intent.path, written)
    if intent.gone and index.place(intent.gone).row is not None:
        reached = not intent.path or index.place(intent.path).row is not None
        if reached and await replica.blocking(tree.look, intent.gone) is None:
            saw = None if intent.path else intent.saw
            index.feed(
                intent.gone, Written(row=None, now_ns=intent.now_ns or now_ns(), saw=saw, account=intent.account)
            )
