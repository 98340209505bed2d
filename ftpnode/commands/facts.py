"""Gets the facts of MLSD and MLST that only the replicator knows: whose content a file has, on how many nodes it is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cluster.log import logger
from cluster.publish import Copies
from ftpnode.core.listing import ASKED_FACTS, FACTS, Entry, facts_line
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError, describe_files

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

log = logger(__name__)

_PATIENCE_S: Final = 2.0


def offered_facts(session: "Session") -> tuple[str, ...]:
    """Every fact that a client can have here, in the order of FEAT."""
    return (*FACTS, *ASKED_FACTS) if session.service.has_replicator else FACTS


class FactsLines:
    """The lines of one MLSD or MLST, by the facts and rights of the session as they are now.

    The replicator is asked once for each slice, and only where a client wants what it knows. When it does not answer,
    this listing goes on without (RFC 3659 section 7.5: facts may be left out).
    """

    def __init__(self, session: "Session") -> None:
        assert session.login is not None, "listings need a login"
        self._publisher = session.service.publisher
        stall_s = session.service.limits.transfer_stall_s  # the client's transfer must not stall because of us
        self._patience_s = min(_PATIENCE_S, stall_s / 2)
        self._facts = session.facts
        self._rights = session.login.account.rights
        self.asks = not session.facts.isdisjoint(ASKED_FACTS)

    def write(self, folder: str, entries: Sequence[Entry]) -> list[str]:
        """A line for each entry of the folder at a tree path, without line ends. Blocks where it `asks`."""
        known = self._known(folder, [entry.name for entry in entries if not entry.is_directory])
        return [facts_line(entry, self._facts, self._rights, known.get(entry.name)) for entry in entries]

    def _known(self, folder: str, names: Sequence[str]) -> Mapping[str, Copies]:
        if not (self.asks and names):
            return {}
        try:
            return describe_files(self._publisher, folder, names, self._patience_s)
        except (ChangeRefusedError, PublisherUnreachableError) as error:
            log.warning("a listing goes on without the facts of the replicator", why=str(error))
            self.asks = False
            return {}
