"""What the commands need from whoever makes changes visible: the replicator, or this node by itself."""

from typing import Protocol

from cluster.publish import Answer, Describe, Described, Done, Reason, Refused, Request, State


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


def change(publisher: Publisher, request: Request, timeout_s: float) -> Done:
    """The Done that answers `request`; ChangeRefusedError or PublisherUnreachableError otherwise."""
    match publisher.ask(request, timeout_s):
        case Done() as done:
            return done
        case Refused(reason=reason, text=text):
            raise ChangeRefusedError(reason, text)
        case Described() | State():
            raise _other_answer()


def describe(publisher: Publisher, path: str, timeout_s: float) -> Described:
    """What is known of the file at a tree path; ChangeRefusedError or PublisherUnreachableError otherwise."""
    match publisher.ask(Describe(id=0, path=path), timeout_s):
        case Described() as described:
            return described
        case Refused(reason=reason, text=text):
            raise ChangeRefusedError(reason, text)
        case Done() | State():
            raise _other_answer()


def _other_answer() -> PublisherUnreachableError:
    return PublisherUnreachableError("the publisher answered something else than was asked")
