"""SITE and its subcommands: HELP, CHMOD and COPIES."""

from typing import TYPE_CHECKING, Final

from ftpnode.core.replies import described
from ftpnode.core.rights import may_do
from ftpnode.ports import describe

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

_HELP: Final = (
    "SITE CHMOD mode path   is taken and changes nothing: file modes are the server's business",
    "SITE COPIES path       tells how many nodes hold a file, and its BLAKE3",
    "SITE HELP              shows this",
)

_PATIENCE_S: Final = 2.0
"""The balancer asks before every download; a replicator that hangs must not hold that up for long."""


def site(session: "Session", argument: str) -> None:
    """SITE: clients that mirror send CHMOD."""
    name, _, rest = argument.partition(" ")
    match name.upper():
        case "CHMOD" if rest:
            session.reply("202 File modes are the server's business.")
        case "COPIES" if rest:
            _show_copies(session, rest)
        case "HELP":
            session.reply_lines(214, "SITE commands:", list(_HELP), "End")
        case _:
            session.reply("504 There is no such SITE command; see SITE HELP.")


def _show_copies(session: "Session", argument: str) -> None:
    assert session.login is not None, "SITE needs a login"
    if not may_do("MLST", session.login.account.rights):
        session.reply("550 Permission denied.")
        return
    service, path = session.service, session.tree_path(argument)
    session.off_loop(
        service.workers.fetches,
        lambda: describe(service.publisher, path, min(_PATIENCE_S, service.limits.publish_timeout_s)),
        lambda found: session.reply(described(found)),
    )
