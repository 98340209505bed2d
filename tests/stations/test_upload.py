import random

import msgspec
import pytest

from stations.attempt import Client, attempt
from stations.ftp_client import Entrance, StationClient, leave
from stations.journal import Journal, Role, What, read_journal
from stations.ledger import what_must_stand
from stations.persona import PERSONAS
from stations.upload import Parcel, UploadFailed
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
    if persona.line_bytes_s:
        persona = msgspec.structs.replace(persona, line_bytes_s=500_000)
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


def commands_of(server, persona, tmp_path):
    push(server, persona, tmp_path / "journal")
    return server.commands


HABITS = {
    "direct": (["CWD /BERL/2026/326", "TYPE I", "PASV", f"STOR {PARCEL.name}"], []),
    "temporary-name": ([f"STOR {PARCEL.name}.tmp", f"RNFR {PARCEL.name}.tmp", f"RNTO {PARCEL.name}"], []),
    "append": ([f"STOR {PARCEL.name}", f"APPE {PARCEL.name}"], []),
    "extended-passive": (["EPSV"], ["PASV"]),
    "backslashes": (["CWD \\BERL\\2026\\326\\", f"STOR \\BERL\\2026\\326\\{PARCEL.name}"], []),
    "makes-directories": (["MKD /BERL", "MKD /BERL/2026", "MKD /BERL/2026/326", "CWD /BERL/2026/326"], []),
    "lower-case": (["user station", "cwd /BERL/2026/326", f"stor {PARCEL.name}"], ["STOR"]),
    "no-type": ([f"STOR {PARCEL.name}"], ["TYPE"]),
}


@pytest.mark.parametrize("name", HABITS)
def test_a_persona_speaks_as_its_device_does(name, ftp_server, tmp_path):
    said, unsaid = HABITS[name]
    commands = commands_of(ftp_server, PERSONAS[name], tmp_path)
    assert [each for each in dict.fromkeys(commands) if each in said] == said
    assert not [each for each in commands if each.split()[0] in unsaid]


def test_active_mode_listens_on_the_bound_address(ftp_server, tmp_path):
    push(ftp_server, PERSONAS["active"], tmp_path / "journal", source_ip="127.0.1.9")
    ports = [each for each in ftp_server.commands if each.startswith("PORT")]
    assert ports
    assert all(each.startswith("PORT 127,0,1,9,") for each in ports)
    assert not [each for each in ftp_server.commands if each.startswith(("PASV", "EPSV"))]


def test_a_folder_that_cannot_be_made_is_refused_with_a_known_outcome(ftp_server, tmp_path):
    (ftp_server.root / "Station" / "BERL").write_bytes(b"a file where a folder should be")
    with pytest.raises(UploadFailed) as caught:
        push(ftp_server, PERSONAS["direct"], tmp_path / "journal")
    assert not caught.value.outcome_unknown
    assert caught.value.connection_usable
    assert read_journal(tmp_path / "journal")[-1].error.startswith("error_perm: 550")


@pytest.mark.parametrize(
    ("persona", "verb", "answer", "unknown", "usable"),
    [
        ("direct", "CWD", "550 No.", False, True),
        ("direct", "TYPE", "504 No.", False, True),
        ("direct", "STOR", "550 No.", False, True),
        ("direct", "STOR", "451 The answer of the node was lost.", True, True),
        ("direct", "STOR", "421 Going down.", True, False),
        ("append", "STOR", "550 No.", False, True),
        ("append", "APPE", "550 No.", True, True),  # the first piece stands
        ("append", "APPE", "451 Lost.", True, True),
        ("temporary-name", "STOR", "451 Lost.", False, True),  # only the temporary name is in doubt
        ("temporary-name", "RNFR", "550 No.", False, True),
        ("temporary-name", "RNTO", "550 No.", False, True),
        ("temporary-name", "RNTO", "451 Lost.", True, True),
    ],
)
def test_a_refusal_says_whether_the_file_may_stand_all_the_same(
    persona, verb, answer, unknown, usable, ftp_server, tmp_path
):
    ftp_server.refuse[verb] = answer
    with pytest.raises(UploadFailed, match=answer[:3]) as caught:
        push(ftp_server, PERSONAS[persona], tmp_path / "journal")
    assert (caught.value.outcome_unknown, caught.value.connection_usable) == (unknown, usable)
    end = read_journal(tmp_path / "journal")[-1]
    assert (end.event, end.outcome_unknown) == (What.UPLOAD_FAILED, unknown)
