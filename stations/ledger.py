"""Concludes from journal events what every node must hold, and the counts of a report. Pure: events in, values out."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from stations.journal import Event, What


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand under one path after settling.

    The file's content id must be one of `allowed`; without `absent_allowed` the file must exist. A path with no
    `allowed` must be gone. `acknowledged` is the content id the cluster owes, None when it owes nothing.
    """

    path: str
    allowed: frozenset[str] = frozenset()
    absent_allowed: bool = True
    acknowledged: str | None = None

    def holds(self, content_id: str | None) -> bool:
        """Whether a node with `content_id` under the path (None: no such file) is as it must be."""
        return self.absent_allowed if content_id is None else content_id in self.allowed


class Percentiles(msgspec.Struct, frozen=True):
    """Median and 99th percentile in seconds; None of nothing."""

    p50: float | None
    p99: float | None


class Uploads(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts, not files: a file that was retried counts each time."""

    started: int
    acknowledged: int
    client_errors: int


class Downloads(msgspec.Struct, frozen=True, kw_only=True):
    """Files that `finished` (listings are not counted) or were `corrupt`: ended well with the wrong bytes.

    `client_errors` were cut or refused, listings and failed logins too.
    """

    finished: int
    client_errors: int
    corrupt: int


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions that are idle but for a look now and then: how many were `opened` and how many looks `answered`.

    `client_errors` are sessions that could not be opened, or did not answer any more.
    """

    opened: int
    answered: int
    client_errors: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw, as a report tells it."""

    uploads: Uploads
    downloads: Downloads
    idle_sessions: Sessions
    violations: int
    ack_seconds: Percentiles


def what_must_stand(events: Iterable[Event]) -> dict[str, Expectation]:
    """Per path what every node must hold.

    Events of one path must come in the order in which they happened. Each path is written by one actor, so journals of
    several processes may simply be chained.
    """
    found: dict[str, Expectation] = {}
    before_attempt: dict[str, Expectation] = {}
    for event in events:
        if not event.path:
            continue
        path, before = event.path, found.get(event.path, Expectation(path=event.path))
        match event.event:
            case What.UPLOAD_STARTED:
                # Either content is possible until the end is known; an end that was never written leaves it so.
                before_attempt[path] = before
                found[path] = _widened(before, event.content_id, event.partial_id)
            case What.DELETE_STARTED:
                before_attempt[path] = before
                found[path] = msgspec.structs.replace(before, absent_allowed=True, acknowledged=None)
            case What.UPLOAD_FAILED | What.DELETE_FAILED:
                restored = before_attempt.pop(path, before)
                found[path] = before if event.outcome_unknown else restored
            case What.UPLOAD_ACKNOWLEDGED:
                before_attempt.pop(path, None)
                found[path] = _owed(path, event.content_id)
            case What.DELETED:
                before_attempt.pop(path, None)
                found[path] = Expectation(path=path)
            case What.RENAMED:
                found[event.to] = msgspec.structs.replace(before, path=event.to)
                found[path] = Expectation(path=path)
            case _:
                pass
    return found


def counts(events: Sequence[Event]) -> Counts:
    """What a report says about `events`, in any order."""
    number = Counter(event.event for event in events)
    listings = sum(event.event is What.DOWNLOAD_FINISHED and event.path.endswith("/") for event in events)
    return Counts(
        uploads=Uploads(
            started=number[What.UPLOAD_STARTED],
            acknowledged=number[What.UPLOAD_ACKNOWLEDGED],
            client_errors=number[What.UPLOAD_FAILED],
        ),
        downloads=Downloads(
            finished=number[What.DOWNLOAD_FINISHED] - listings,
            client_errors=number[What.DOWNLOAD_FAILED],
            corrupt=number[What.DOWNLOAD_CORRUPT],
        ),
        idle_sessions=Sessions(
            opened=number[What.SESSION_OPENED],
            answered=number[What.SESSION_ANSWERED],
            client_errors=number[What.SESSION_FAILED],
        ),
        violations=number[What.VIOLATION],
        ack_seconds=percentiles(
            [event.ack_seconds for event in events if event.event is What.UPLOAD_ACKNOWLEDGED and event.ack_seconds]
        ),
    )


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """By nearest rank: the smallest value that at least that share of the values does not exceed."""
    if not seconds:
        return Percentiles(None, None)
    ranked = sorted(seconds)
    return Percentiles(*(ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 99)))


def _widened(before: Expectation, *content_ids: str) -> Expectation:
    return msgspec.structs.replace(before, allowed=before.allowed | {each for each in content_ids if each})


def _owed(path: str, content_id: str) -> Expectation:
    return Expectation(path=path, allowed=frozenset({content_id}), absent_allowed=False, acknowledged=content_id)
