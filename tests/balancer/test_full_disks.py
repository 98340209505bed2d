"""Nodes whose disks are full, as they say it in their health documents: a real balancer with fake nodes behind it."""

import asyncio
import contextlib
import ftplib
import io

import pytest

from balancer.choices import MadeChoices
from cluster.ask import get_document
from tests.balancer.running_balancer import bench
from tests.kit.wait import until

FULL = {"disk_free_bytes": 1000, "disk_total_bytes": 1 << 40}


def full(b) -> list[bool]:
    return ["takes no uploads" in node.why for node in b.program.health().nodes]


@pytest.mark.asyncio
async def test_an_upload_goes_where_there_is_room_and_nowhere_where_there_is_none(tmp_path):
    async with bench(tmp_path) as b:

        def client():
            with contextlib.closing(b.client()) as ftp:
                at = next(number for number, node in enumerate(b.nodes) if node.logins)
                b.nodes[at].says = FULL
                until(lambda: full(b)[at], "the balancer knows that this node is full")
                stored = ftp.storbinary("STOR a", io.BytesIO(b"content"))
                there = [any(command == "STOR a" for command in node.commands) for node in b.nodes]
                b.nodes[1 - at].says = FULL
                until(lambda: all(full(b)), "the balancer knows that all are full")
                asked = len(b.commands)
                with pytest.raises(ftplib.error_temp, match="452 No node has room on its disk"):
                    ftp.storbinary("STOR b", io.BytesIO(b"content"))
                assert not [command for command in b.commands[asked:] if command.startswith("STOR")]
                got: list[bytes] = []
                ftp.retrbinary("RETR a", got.append)
                with contextlib.closing(b.client()) as late:  # who comes only now is let in, to read
                    late.voidcmd("NOOP")
                token = b.cluster.management_token()
                made = get_document(b.settings.balancer.management, "choices", MadeChoices, token=token)
                return stored, there[1 - at], b"".join(got), made.choices

        stored, there, got, choices = await asyncio.to_thread(client)
        assert stored.startswith("226")
        assert there
        assert got == b"content"
        (refused,) = [choice for choice in choices if not choice.node]
        assert set(refused.verdicts) == {"node1", "node2"}
        assert (
            refused.verdicts["node1"] == "takes no uploads: its disk has 1000 bytes left, and the reserve is 67108864"
        )
