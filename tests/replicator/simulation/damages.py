"""What a disk does to files and to the index without any program's will."""

from cluster.content_id import content_id_of
from replicator.core.place import Place
from tests.replicator.simulation.node import ROOT


class Damages:
    """The part of a world that they are; each method is a kind of event."""

    def _damage(self, node, event):
        """A file is gone, and nobody deleted it: no program, no event; a check of the file system, say."""
        found = node.disk.there(f"{ROOT}/{event.path}")
        if found is None or found.is_folder or (node.watching is not None and event.path in node.watching._paths):
            return
        self.judge.damages(node, event.path)
        blind, node.blind = node.blind, True
        node.disk.unlink(f"{ROOT}/{event.path}")
        node.disk.sync(node.disk.find(f"{ROOT}/{event.path}".rpartition("/")[0]))
        node.blind = blind

    def _rot(self, node, event):
        """The disk damages a file that is known and at rest; its stat says nothing of it.

        Nor will it after a power cut: it has stood there long enough for all names to be safe. That a time is lost is
        a change like any program's, and is read.
        """
        path = event.path
        found, known = node.disk.there(f"{ROOT}/{path}"), node.rows.value("places", path, Place)
        if node.program is None or known is None or found is None or found.is_folder or not found.data:
            return
        node.program.take_turn()
        row = node.index.place(path).row
        is_safe = found.safe == (found.data, found.mode, found.mtime_ns)
        at_rest = row == known.row and path not in node.index.pending and is_safe
        if row is None or not at_rest or row.mtime_ns != found.mtime_ns or row.content_id != content_id_of(found.data):
            return
        node.disk.write_journal()
        self.judge.rots(node, path, content_id_of(found.data[:-1] + bytes([found.data[-1] ^ 1])))
        node.disk.rot(found)

    def _forget(self, node, event):
        """A row of the index is gone, and the file with it: nobody deleted either, and nobody will tell of it again."""
        place = node.rows.value("places", event.path, Place)
        file = node.disk.there(f"{ROOT}/{event.path}")
        if node.program is None or place is None or place.row is None or file is None or file.is_folder:
            return
        node.die(power=False)
        self.judge.damages(node, event.path)
        self.judge.memory_lost = self.forgotten = True
        del node.rows.tables["places"][event.path,]
        node.disk.unlink(f"{ROOT}/{event.path}")
        node.disk.sync(node.disk.find(f"{ROOT}/{event.path}".rpartition("/")[0]))
        node.start()
