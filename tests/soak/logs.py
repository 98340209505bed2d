"""What replicators may say in their logs while hosts and wires fail; anything else above "info" is a finding."""

import json
from collections.abc import Iterator

EXPLAINED = {
    # of the faults themselves
    "peer lost": "a wire was cut, or the peer's program was killed or stopped",
    "a stranger was refused": "a connection was cut before it had said who it is",
    "the last run was cut off; its intents are replayed": "SIGKILL",
    "peer is too slow, and not waited for until it acts": "SIGSTOP, or a stalled wire",
    "a peer did not do its part": "the peer was lost, or let its deadline pass",
    "cannot hold an upload that arrives": "its connection was lost",
    "cannot hold a copy": "its connection was lost, or the path cannot be written now",
    "an intent is given up; the scan decides": "a file changed while the start read it",
    # of writers that meet
    "conflict": "two nodes wrote without having heard of one another",
    "refused": "the request did not go with what was there",
    "fewer copies than asked for": "a peer was out of reach",
    "not settled yet": "no peer that has the content is in reach, or the path just changes",
    "cannot show a change yet": "as above, for a change of a peer",
    "many small files are settled one by one": "as above",
    "other content came than was asked for": "a program wrote in place what was just given to a peer",
    "cannot be replicated": "a file vanished while it was looked at",
    "cannot be read": "as above",
    # of stops that are longer than the watcher's patience
    "the watcher is blind": "the program was stopped for longer than the canary may take",
    "InotifyEmitter.queue_events() called when the thread is inactive": "so it is built anew, while events come",
}

_NO_HARM = (
    "RuntimeWarning: Callback with id",  # watchdog was told of a new folder twice, and watches it once
    "  wd = self._inotify_fd.add_callback(",
)


def unexplained(log: str) -> Iterator[str]:
    """The lines of a log that no fault explains."""
    for line in log.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            if not any(text in line for text in _NO_HARM):
                yield line
            continue
        if said.get("level") not in {"debug", "info"} and said.get("event") not in EXPLAINED:
            yield line
