import random

import pytest

from stations.attempt import Client, attempt
from stations.ftp_client import Entrance, StationClient, leave
from stations.journal import Journal, Role, What, read_journal
from stations.ledger import what_must_stand
from stations.persona import PERSONAS
from stations.upload import Parcel
from tests.stations.conftest import PASSWORDS

CONTENT = random.Random(7).randbytes(50_000) + b"\r\n\r"
PARCEL = Parcel(folder=("BERL", "2026", "326"), name="BERL00DEU_R_20263261400_01H_30S_MO.crx.gz", content=CONTENT)
PATH = "Station/BERL/2026/326/BERL00DEU_R_20263261400_01H_30S_MO.crx.gz"


def client_of(server, persona, source_ip=None):
    entrance = Entrance(
        host=server.host,
        port=server.port,
        account="station",
        password=PASSWORDS["station"],
        timeout_s=5,
        source_ip=source_ip,
    )
    return Client(who="BERL", role=Role.STATION, persona=persona, entrance=entrance, home="Station")


def push(server, persona, journal_file, *, source_ip=None):
    client = client_of(server, persona, source_ip)
    with Journal(journal_file, lambda: 1.0) as journal:
        ftp = StationClient(persona, client.entrance)
        try:
            attempt(journal, client, lambda: ftp, PARCEL)
        finally:
            leave(ftp)


@pytest.mark.parametrize("persona", PERSONAS.values(), ids=PERSONAS)
def test_every_persona_lands_byte_for_byte_and_the_journal_says_so(persona, ftp_server, tmp_path):
    journal_file = tmp_path / "journal"
    push(ftp_server, persona, journal_file, source_ip="127.0.1.9")
    push(ftp_server, persona, journal_file, source_ip="127.0.1.9")  # a second time, into folders that exist

    assert (ftp_server.root / PATH).read_bytes() == CONTENT
    assert [path.name for path in (ftp_server.root / PATH).parent.iterdir()] == [PARCEL.name]
    events = read_journal(journal_file)
    assert [event.event for event in events] == [What.UPLOAD_STARTED, What.UPLOAD_ACKNOWLEDGED] * 2
    assert events[1].reply[:3] in {"226", "250"}
    assert what_must_stand(events)[PATH].holds(events[0].content_id)
    assert ftp_server.clients == {"127.0.1.9"}
