"""Asks for a node on behalf of one session, and notes what was chosen, and why."""

from balancer.choices import MadeChoice
from balancer.core.choose_node import Choice, Wish
from balancer.core.upload_room import Room
from balancer.surroundings import Surroundings
from cluster.clock import monotonic_s, now_s


async def choose(
    around: Surroundings, wish: Wish, *, session: str, service: str, client: str, account: str = ""
) -> Choice:
    """Choose a node; where all are full, wait for one that is not, within bounds."""
    nodes, until_s = around.nodes, monotonic_s() + around.settings.balancer.queue.wait_s
    choice = await nodes.choose(wish)
    while choice.node is None and choice.full and await nodes.has_room(until_s - monotonic_s()):
        choice = await nodes.choose(wish)
    around.choices.note(
        MadeChoice(
            at_s=now_s(), session=session, service=service, account=account, client=client, node=choice.node or "",
            verdicts=choice.verdicts,
        )
    )  # fmt: skip
    return choice


def look_for_room(
    around: Surroundings, wish: Wish, node: str, *, session: str, service: str, client: str, account: str
) -> Room:
    """Where an upload of a session on `node` may go; noted where that is nowhere."""
    room, full = around.nodes.room(wish.pool, node)
    if room is Room.NOWHERE:
        around.choices.note(
            MadeChoice(
                at_s=now_s(), session=session, service=service, account=account, client=client, node="", verdicts=full
            )
        )
    return room
