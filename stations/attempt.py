"""One push from start to end, written to the journal."""

import ftplib
from collections.abc import Callable

import msgspec

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from stations.ftp_client import Entrance
from stations.journal import Journal, Role, What
from stations.persona import Persona
from stations.scene import path_under
from stations.upload import Parcel, UploadFailed, upload


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who pushes, how and where to; `home` is the account's home as the journal spells paths."""

    who: str
    role: Role
    persona: Persona
    entrance: Entrance
    home: str


def attempt(journal: Journal, client: Client, connected: Callable[[], ftplib.FTP], parcel: Parcel) -> None:
    """Push `parcel` once over the connection that `connected` gives; raises UploadFailed after writing it down."""
    part = parcel.part(client.persona)
    facts = {
        "path": path_under(client.home, *parcel.folder, parcel.name),
        "content_id": content_id_of(parcel.content),
        "bytes": len(parcel.content),
        "persona": client.persona.name,
    }
    partial_id = "" if part is None else content_id_of(part)
    journal.write(client.who, client.role, What.UPLOAD_STARTED, **facts, partial_id=partial_id)
    started_s = monotonic_s()
    try:
        receipt = upload(connected(), client.persona, parcel, monotonic_s)
    except UploadFailed as failure:
        outcome = {"error": str(failure), "outcome_unknown": failure.outcome_unknown}
        journal.write(
            client.who, client.role, What.UPLOAD_FAILED, **facts, **outcome, seconds=monotonic_s() - started_s
        )
        raise
    outcome = {"reply": receipt.reply, "ack_seconds": receipt.ack_seconds}
    journal.write(
        client.who, client.role, What.UPLOAD_ACKNOWLEDGED, **facts, **outcome, seconds=monotonic_s() - started_s
    )
