"""One run: clusters side by side, each with its clients, its killers and its watcher; then the judgement."""

import contextlib
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from cluster.tree_path import STAGING
from tests.kills.killer import Killer
from tests.kills.uploader import Uploader
from tests.kills.watcher import Watcher, visible_files
from tests.kit.record import Record
from tests.kit.running_cluster import RunningCluster, running_cluster
from tests.kit.wait import until

_SETTLE_S = 120.0
REPLICATION = {"staged_expiry_s": 5.0}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much: `kills` and `uploads` in all, spread over `clusters` of two nodes with `clients` each.

    Once it is up again, a node is left alone for a random time up to `most_rest_s`.
    """

    kills: int
    uploads: int
    clusters: int = 1
    clients: int = 4
    most_rest_s: float = 4.0
    seed: int = 1


def run(plan: Plan, folder: Path, record: Record, progress: Callable[[], None] = lambda: None) -> None:
    """Carry the plan out in `folder`; `record` has the counts and the findings. `progress` is called now and then."""
    with contextlib.ExitStack() as stack:
        clusters = []
        for number in range(plan.clusters):
            place = folder / f"cluster{number}"
            place.mkdir()
            clusters.append(stack.enter_context(running_cluster(place, replication_settings=REPLICATION)))
        _work(plan, clusters, record, progress)
    for log in folder.glob("*/logs/*.log"):
        if "Traceback" in log.read_text(errors="replace"):
            record.find(f"{log} has a traceback")


def _work(plan: Plan, clusters: list[RunningCluster], record: Record, progress: Callable[[], None]) -> None:
    def killed_enough() -> bool:
        return record["kills"] >= plan.kills or bool(record.findings)

    def enough() -> bool:
        return killed_enough() and (record["acknowledged"] >= plan.uploads or bool(record.findings))

    watchers, killers, uploaders = [], [], {}
    for number, cluster in enumerate(clusters):
        nodes = cluster.files.settings.nodes
        watchers.append(Watcher([node.root for node in nodes.values()], record))
        killers += [
            Killer(
                cluster, node, chance(plan, number, node), record, plan.most_rest_s, watchers[-1].look, killed_enough
            )
            for node in nodes
        ]
        uploaders[number] = [
            Uploader(cluster, client, chance(plan, number, client), record, enough) for client in range(plan.clients)
        ]
    every = [uploader for each in uploaders.values() for uploader in each]
    threads: list[threading.Thread] = [*watchers, *every, *killers]
    for thread in threads:
        thread.start()
    for thread in (*killers, *every):
        while thread.is_alive():
            thread.join(1)
            progress()
    for watcher in watchers:
        watcher.stop()
    for number, cluster in enumerate(clusters):
        owed = {path: content for uploader in uploaders[number] for path, content in uploader.owed.items()}
        settle(cluster, owed, record)


def chance(plan: Plan, cluster: int, who: object) -> random.Random:
    """The chance of one thread: the same for the same seed, whatever the others do."""
    return random.Random(f"{plan.seed} {cluster} {who}")


def settle(cluster: RunningCluster, owed: Mapping[str, bytes], record: Record) -> None:
    """With nothing killed any more: every node holds what is owed and nothing else, and staging is empty."""
    try:
        cluster.wait_all_usable()
        until(cluster.parts.nothing_owed, "the nodes have all of one another", _SETTLE_S)
        until(lambda: not staged(cluster), "staging is empty", _SETTLE_S)
    except AssertionError as error:
        record.find(f"{error}; staging: {staged(cluster)}")
    for node, settings in cluster.files.settings.nodes.items():
        for finding in differences(settings.root, owed):
            record.find(f"{node}: {finding}")
        record.count("files compared at the end", len(owed))


def staged(cluster: RunningCluster) -> list[str]:
    """What stands in the staging folders."""
    return [str(file) for node in cluster.files.settings.nodes.values() for file in (node.root / STAGING).iterdir()]


def differences(root: Path, owed: Mapping[str, bytes]) -> list[str]:
    """Every acknowledged path that is not as acknowledged, and every file that nobody uploaded."""
    found = {str(Path(file.path).relative_to(root)): Path(file.path).read_bytes() for file in visible_files(root)}
    wrong = [f"{path} was acknowledged and is absent" for path in owed.keys() - found.keys()]
    wrong += [f"{path} was acknowledged and has another content" for path in owed.keys() & found.keys()
              if owed[path] != found[path]]  # fmt: skip
    return sorted(wrong + [f"{path} was never acknowledged" for path in found.keys() - owed.keys()])
