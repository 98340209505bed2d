"""Asks for a node on behalf of one session, and notes what was chosen, and why."""

import msgspec

from balancer.choices import MadeChoice
from balancer.core.choose_node import Choice, Wish
from balancer.core.upload_room import Room
from balancer.surroundings import Surroundings
from cluster.clock import monotonic_s, now_s


class Asker(msgspec.Struct, frozen=True):
    """A session: its id, its service, and its client's address; no account while nobody has logged in."""

    session: str
    service: str
    client: str
    account: str = ""


async def choose(around: Surroundings, wish: Wish, asker: Asker) -> Choice:
    """Choose a node; where all are full, wait for one that is not, within bounds."""
    nodes, until_s = around.nodes, monotonic_s() + around.settings.balancer.queue.wait_s
    choice = await nodes.choose(wish)
    while choice.node is None and choice.full and await nodes.has_room(until_s - monotonic_s()):
        choice = await nodes.choose(wish)
    _note(around, asker, choice.node or "", choice.verdicts)
    return choice


def look_for_room(around: Surroundings, wish: Wish, node: str, asker: Asker) -> Room:
    """Where an upload of a session on `node` may go; noted where that is nowhere."""
    room, full = around.nodes.room(wish.pool, node)
    if room is Room.NOWHERE:
        _note(around, asker, "", full)
    return room


def _note(around: Surroundings, asker: Asker, node: str, verdicts: dict[str, str]) -> None:
    around.choices.note(
        MadeChoice(
            at_s=now_s(), session=asker.session, service=asker.service, account=asker.account, client=asker.client,
            node=node, verdicts=verdicts,
        )
    )  # fmt: skip
