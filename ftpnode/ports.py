"""What the commands need from whoever makes changes visible: the replicator, or this node by itself."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from cluster.content_id import ContentId
from cluster.publish import (
    MAX_NAMES,
    Answer,
    Copies,
    Describe,
    Described,
    DescribedFiles,
    DescribeFiles,
    Done,
    FindCanary,
    FindPartial,
    Measure,
    Measured,
    PartialFound,
    PutCanary,
    Reason,
    Refused,
    Request,
)


class PublisherUnreachableError(Exception):
    """Nobody answered in time: nothing may be promised, though it may yet come to pass."""


class ChangeRefusedError(Exception):
    """The publisher refused, and nothing changed."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Publisher(Protocol):
    """Makes changes durable and visible. Called from worker threads; several calls may run at once."""

    def ask(self, request: Request, timeout_s: float) -> Answer:
        """The answer to `request` (its id is the publisher's business); PublisherUnreachableError without one."""
        ...

    def close(self) -> None:
        """Give up what is under way and answer nothing more."""
        ...


_Wanted = TypeVar("_Wanted", bound=Answer)


def change(publisher: Publisher, request: Request, timeout_s: float) -> Done:
    """The Done that answers `request`; ChangeRefusedError or PublisherUnreachableError otherwise."""
    return _ask(publisher, request, timeout_s, Done)


def describe(publisher: Publisher, path: str, timeout_s: float) -> Described:
    """What is known of the file at a tree path; ChangeRefusedError or PublisherUnreachableError otherwise."""
    return _ask(publisher, Describe(id=0, path=path), timeout_s, Described)


def describe_files(publisher: Publisher, folder: str, names: Sequence[str], timeout_s: float) -> dict[str, Copies]:
    """What is known of these files of a folder, by name; ChangeRefusedError or PublisherUnreachableError otherwise.

    One question for each MAX_NAMES names.
    """
    found: dict[str, Copies] = {}
    for first in range(0, len(names), MAX_NAMES):
        some = tuple(names[first : first + MAX_NAMES])
        found |= _ask(publisher, DescribeFiles(id=0, folder=folder, names=some), timeout_s, DescribedFiles).files
    return found


def find_partial(publisher: Publisher, request: FindPartial, timeout_s: float) -> PartialFound:
    """What has come of an upload; ChangeRefusedError or PublisherUnreachableError otherwise."""
    return _ask(publisher, request, timeout_s, PartialFound)


def measure(publisher: Publisher, folder: str, path: str, timeout_s: float) -> Measured:
    """What stands below a folder, and at a path; ChangeRefusedError or PublisherUnreachableError otherwise."""
    return _ask(publisher, Measure(id=0, folder=folder, path=path), timeout_s, Measured)


def put_canary(publisher: Publisher, timeout_s: float) -> ContentId:
    """Have a canary sent to the peers; its content id. ChangeRefusedError or PublisherUnreachableError otherwise."""
    return _ask(publisher, PutCanary(id=0), timeout_s, Described).content_id


def canary_is_here(publisher: Publisher, content_id: ContentId, timeout_s: float) -> bool:
    """Whether a peer's canary has arrived; ChangeRefusedError or PublisherUnreachableError when that is unknown."""
    return _ask(publisher, FindCanary(id=0, content_id=content_id), timeout_s, Done).copies > 0


def _ask(publisher: Publisher, request: Request, timeout_s: float, wanted: type[_Wanted]) -> _Wanted:
    answer = publisher.ask(request, timeout_s)
    if isinstance(answer, Refused):
        raise ChangeRefusedError(answer.reason, answer.text)
    if not isinstance(answer, wanted):
        raise PublisherUnreachableError("the publisher answered something else than was asked")
    return answer
