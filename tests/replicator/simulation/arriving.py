"""An upload that comes to a simulated node in pieces, while the replicator brings it to the peers; and faults."""

from cluster.health import NodeState
from cluster.publish import Arriving, Cut, Policy
from tests.replicator.simulation.node import ROOT


def stage(world, node, content=b""):
    """The path of a staged file, as an ftpnode makes it."""
    staged = f"{ROOT}/.tripod/staging/up-{world.next_number()}"
    node.disk.write(node.disk.create(staged), content)
    return staged


def arrive(world, node, how, lasts_s, *, is_cut):
    """The replicator is told when it begins. One that is cut half-way is kept, or thrown away without a word."""
    if node.program is None or node.state is not NodeState.READY:
        return
    path, content, _, nodes, _ = how
    staged, boots = stage(world, node), node.boots
    file = node.disk.find(staged)
    name = staged.rpartition("/")[2]
    keep_s = world.chance.choice((0.0, 20.0))
    request = Arriving(id=world.next_number(), policy=Policy(nodes), path=path, staged=name, keep_s=keep_s)

    def grow(part):
        if node.boots == boots:
            node.disk.write(file, content[len(content) * part // 4 : len(content) * (part + 1) // 4])

    def end():
        if node.boots != boots:
            return
        if is_cut and keep_s and node.program is not None:
            node.ask(Cut(id=world.next_number(), staged=name), lambda answer: world.say(f"{path} is cut: {answer}"))
        elif is_cut:
            node.disk.unlink(staged)
        elif node.program is not None and node.state is NodeState.READY:
            world.publish(node, *how, staged)

    grow(0)
    node.ask(request, lambda answer: world.say(f"{node.name} {path} begins: {answer}"))
    for part in (1, 2, 3):
        world.scheduler.after(lasts_s * part / 4, grow, part)
    world.scheduler.after(lasts_s * (0.7 if is_cut else 1), end)
