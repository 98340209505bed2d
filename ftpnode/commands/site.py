"""SITE and its subcommands: HELP and CHMOD."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

_HELP: Final = (
    "SITE CHMOD mode path   is taken and changes nothing: file modes are the server's business",
    "SITE HELP              shows this",
)


def site(session: "Session", argument: str) -> None:
    """SITE: clients that mirror send CHMOD."""
    name, _, rest = argument.partition(" ")
    match name.upper():
        case "CHMOD" if rest:
            session.reply("202 File modes are the server's business.")
        case "HELP":
            session.reply_lines(214, "SITE commands:", list(_HELP), "End")
        case _:
            session.reply("504 There is no such SITE command; see SITE HELP.")
