"""Which commands there are, and what must hold before one runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ftpnode.commands import changes, connection, digests, downloads, folders, login, site, uploads

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session


class Command(msgspec.Struct, frozen=True):
    """One command: what it does, whether it needs an argument, a login, and whether it moves data."""

    act: "Callable[[Session, str], None]"
    argument: Literal["required", "free"] = "free"
    login: bool = True
    data: bool = False


_CWD: Final = Command(folders.change_directory)
_CDUP: Final = Command(folders.change_to_parent)
_PWD: Final = Command(folders.print_directory)
_MKD: Final = Command(changes.make_directory, "required")
_RMD: Final = Command(changes.remove_directory, "required")

COMMANDS: Final = {
    "ABOR": Command(connection.abort),
    "ALLO": Command(connection.allocate),
    "APPE": Command(uploads.append, "required", data=True),
    "AUTH": Command(connection.authenticate, "required", login=False),
    "AVBL": Command(folders.available),
    "CCC": Command(connection.clear_command_channel, login=False),
    "CDUP": _CDUP,
    "CLNT": Command(connection.name_client, login=False),
    "COMB": Command(connection.combine),
    "CWD": _CWD,
    "DELE": Command(changes.delete, "required"),
    "EPRT": Command(connection.extended_port, "required"),
    "EPSV": Command(connection.extended_passive),
    "FEAT": Command(connection.features, login=False),
    "HASH": Command(digests.show_hash, "required"),
    "HELP": Command(connection.show_help, login=False),
    "HOST": Command(connection.choose_host, "required", login=False),
    "LIST": Command(folders.list_long, data=True),
    "MDTM": Command(changes.modification_time, "required"),
    "MFCT": Command(changes.set_creation_time, "required"),
    "MFF": Command(changes.set_facts, "required"),
    "MFMT": Command(changes.set_modification_time, "required"),
    "MKD": _MKD,
    "MLSD": Command(folders.list_facts, data=True),
    "MLST": Command(folders.show_facts),
    "MODE": Command(connection.mode, "required"),
    "NLST": Command(folders.list_names, data=True),
    "NOOP": Command(connection.nothing, login=False),
    "OPTS": Command(connection.options, "required", login=False),
    "PASS": Command(login.password, login=False),
    "PASV": Command(connection.passive),
    "PBSZ": Command(connection.protection_buffer, "required", login=False),
    "PORT": Command(connection.port, "required"),
    "PROT": Command(connection.protection, "required", login=False),
    "PWD": _PWD,
    "QUIT": Command(connection.quit_session, login=False),
    "REIN": Command(login.start_over),
    "REST": Command(uploads.restart, "required"),
    "RETR": Command(downloads.retrieve, "required", data=True),
    "RMD": _RMD,
    "RNFR": Command(changes.rename_from, "required"),
    "RNTO": Command(changes.rename_to, "required"),
    "SITE": Command(site.site, "required"),
    "SIZE": Command(downloads.size, "required"),
    "STAT": Command(connection.status, login=False),
    "STOR": Command(uploads.store, "required", data=True),
    "STOU": Command(uploads.store_unique, data=True),
    "STRU": Command(connection.structure, "required"),
    "SYST": Command(connection.system, login=False),
    "TYPE": Command(connection.representation, "required"),
    "USER": Command(login.user, "required", login=False),
    "XCRC": Command(digests.old_command("XCRC"), "required"),
    "XCUP": _CDUP,
    "XCWD": _CWD,
    "XMD5": Command(digests.old_command("XMD5"), "required"),
    "XMKD": _MKD,
    "XPWD": _PWD,
    "XRMD": _RMD,
    "XSHA256": Command(digests.old_command("XSHA256"), "required"),
}
