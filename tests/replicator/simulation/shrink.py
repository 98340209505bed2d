"""Makes a history that fails as short as it gets while it still fails."""

from tests.replicator.simulation.history import History
from tests.replicator.simulation.judge import BrokenPromiseError
from tests.replicator.simulation.world import run


def broken_promise(history: History) -> str | None:
    """What a history breaks, in a line, or None."""
    try:
        run(history)
    except BrokenPromiseError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 what goes wrong otherwise fails this history too, and not the whole run
        return f"{type(error).__name__}: {error}"
    return None


def shrunk(history: History, breaks=broken_promise, most_runs: int = 400) -> History:
    """Without the events that the failure does not need: half of them at once, then fewer, then each."""
    size = max(1, len(history.events) // 2)
    while True:
        position, dropped = 0, False
        while position < len(history.events) and most_runs > 0:
            events = history.events[:position] + history.events[position + size :]
            shorter = History(history.seed, history.nodes, events, history.shape, history.mirror)
            most_runs -= 1
            if breaks(shorter):
                history, dropped = shorter, True
            else:
                position += size
        if most_runs <= 0 or (size == 1 and not dropped):
            return history
        size = max(1, size // 2)
