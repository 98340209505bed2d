"""What other programs do on a simulated host, past the replicator."""

from cluster.content_id import content_id_of
from tests.replicator.simulation.node import ROOT


class Programs:
    """The part of a world that they are; each method is a kind of event."""

    def _local_write(self, node, event):
        found = node.disk.there(f"{ROOT}/{event.path}")
        above = node.disk.there(f"{ROOT}/d")
        if (found is not None and found.is_folder) or (event.path.startswith("d/") and above and not above.is_folder):
            return
        content = self._content(event.number)
        self.judge.wrote_past(node, event.path, content_id_of(content))
        node.disk.put(f"{ROOT}/{event.path}", content, event.number * 10**9)

    def _local_delete(self, node, event):
        found = node.disk.there(f"{ROOT}/{event.path}")
        if found is not None and not found.is_folder:
            self.judge.wrote_past(node, event.path, None)
            node.disk.unlink(f"{ROOT}/{event.path}")
            node.disk.sync(node.disk.find(f"{ROOT}/{event.path}".rpartition("/")[0]))

    def _local_touch(self, node, event):
        """Another time on the same content; on what has rotted, it would look like somebody's write."""
        found = node.disk.there(f"{ROOT}/{event.path}")
        if found is None or found.is_folder or content_id_of(found.data) in self.judge.rotten:
            return
        self.judge.touched_past(node, event.path)
        node.disk.touch(found, mtime_ns=event.number * 10**9)
        node.disk.sync(found)
        node.disk.seen(f"{ROOT}/{event.path}", False)

    def _local_rename(self, node, event):
        source, target = f"{ROOT}/{event.path}", f"{ROOT}/{event.other}"
        found, there = node.disk.there(source), node.disk.there(target)
        folder = node.disk.there(target.rpartition("/")[0])
        if found is None or found.is_folder or (there and there.is_folder) or folder is None or not folder.is_folder:
            return
        if source != target:
            self.judge.renamed_past(node, event.path, event.other)
            node.disk.replace(source, target)
            for path in (target, source):
                node.disk.sync(node.disk.find(path.rpartition("/")[0]))
