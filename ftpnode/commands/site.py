"""SITE and its subcommands: HELP, CHMOD and COPIES; and CANARY, which balancers' probes alone may say."""

from typing import TYPE_CHECKING, Final

from cluster.content_id import ContentId, is_content_id
from ftpnode.core.replies import described
from ftpnode.core.rights import may_do
from ftpnode.ports import canary_is_here, describe, put_canary

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
        case "CANARY" if session.is_probe:
            _carry_canary(session, rest)
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


def _carry_canary(session: "Session", argument: str) -> None:
    """PUT sends a canary to the other nodes and tells its content id; GET looks whether that of another is here."""
    verb, _, content_id = argument.partition(" ")
    service = session.service
    publisher, patience_s = service.publisher, min(_PATIENCE_S, service.limits.publish_timeout_s)
    if argument == "PUT":
        session.off_loop(
            service.workers.fetches,
            lambda: put_canary(publisher, patience_s),
            lambda sent: session.reply(f"250 {sent} is on its way to the other nodes."),
        )
    elif verb == "GET" and is_content_id(content_id):
        session.off_loop(
            service.workers.fetches,
            lambda: canary_is_here(publisher, ContentId(content_id), patience_s),
            lambda is_here: session.reply("250 It is here." if is_here else "550 It is not here."),
        )
    else:
        session.reply("501 SITE CANARY takes PUT, or GET and a content id.")
