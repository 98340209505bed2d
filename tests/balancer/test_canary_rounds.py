"""A balancer that has fake nodes send canaries: what it tells, and whom it sends sessions to."""

import asyncio

import msgspec
import pytest

from cluster.balancer_settings import Probe
from tests.balancer.running_balancer import bench
from tests.kit.wait import until

QUICK = Probe(interval_s=0.05, timeout_s=1.0, rise=1, fall=2, canary_interval_s=0.05)


def soon(settings):
    """A canary is late after a fifth of a second."""
    return msgspec.structs.replace(
        settings, replication=msgspec.structs.replace(settings.replication, propagation_late_s=0.2)
    )


def told(b):
    return {(trip.source, trip.target): trip.delay_s for trip in b.program.health().canaries}


async def wait(condition, what):
    await asyncio.to_thread(until, condition, what)


@pytest.mark.asyncio
async def test_the_delay_is_told_for_each_two_nodes(tmp_path):
    async with bench(tmp_path, probe=QUICK) as b:
        await wait(lambda: len(told(b)) == 2, "a round was made")
        assert all(0 < delay_s < 5 for delay_s in told(b).values())
        text = b.program._floor.registry
        assert text.get_sample_value("balancer_canary_lost", {"source": "node1", "target": "node2"}) == 0
        assert text.get_sample_value("balancer_canary_seconds", {"source": "node2", "target": "node1"}) > 0
        assert b.commands == [], "what probes say is no client's doing"


@pytest.mark.asyncio
async def test_of_two_nodes_none_is_to_blame_and_the_balancer_says_what_did_not_arrive(tmp_path):
    async with bench(tmp_path, probe=QUICK, change=soon) as b:
        b.nodes[1].unheard.add("node1")
        await wait(lambda: told(b).get(("node1", "node2"), 0) is None, "one was lost")
        health = b.program.health()
        assert "a canary from node1 was not at node2 within 0.2 s: new files are late there" in health.notices
        assert told(b)["node2", "node1"] is not None
        rounds = len(b.tree.canaries)
        await wait(lambda: len(b.tree.canaries) > rounds + 6, "some more rounds")
        assert [(node.usable, node.why) for node in b.program.health().nodes] == [(True, "")] * 2


@pytest.mark.asyncio
async def test_of_three_nodes_the_one_to_blame_gets_no_new_sessions_until_canaries_arrive_again(tmp_path):
    async with bench(tmp_path, nodes=3, probe=QUICK, change=soon) as b:
        lonely = b.nodes[0]
        lonely.unheard |= {"node2", "node3"}
        why = "no canary arrives between it and node2, node3"
        await wait(lambda: b.program.health().nodes[0].why == why, "node1 is cut off")
        assert all(node.usable for node in b.program.health().nodes), "who is there stays there"
        for _ in range(6):
            await b.run(lambda ftp: ftp.voidcmd("NOOP"))
        assert lonely.logins == 0
        lonely.unheard.clear()
        await wait(lambda: b.program.health().nodes[0].why == "", "node1 is back")
        for _ in range(6):
            await b.run(lambda ftp: ftp.voidcmd("NOOP"))
        assert lonely.logins


@pytest.mark.asyncio
async def test_a_node_that_does_not_know_canaries_or_is_gone_is_not_to_blame(tmp_path):
    async with bench(tmp_path, nodes=3, probe=QUICK, change=soon) as b:
        b.nodes[2].knows_canaries = False
        b.nodes[2].unheard |= {"node1", "node2"}
        await wait(lambda: set(told(b)) == {("node1", "node2"), ("node2", "node1")}, "two know them")
        assert [node.why for node in b.program.health().nodes] == [""] * 3
        b.nodes[1].die()
        await wait(lambda: told(b) == {}, "one is left")
        assert not [notice for notice in b.program.health().notices if "canary" in notice]


@pytest.mark.asyncio
async def test_without_an_interval_there_are_none(tmp_path):
    async with bench(tmp_path, probe=msgspec.structs.replace(QUICK, canary_interval_s=0.0)) as b:
        await wait(lambda: all(node.usable for node in b.program.health().nodes), "the nodes are known")
        await b.run(lambda ftp: ftp.voidcmd("NOOP"))
        assert b.tree.canaries == {}
