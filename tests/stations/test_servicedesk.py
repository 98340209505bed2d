import ssl
import threading

import trustme

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from stations.corpus import Corpus
from stations.ftp_client import DeskClient, leave
from stations.journal import Journal, Role, What, read_journal
from stations.ledger import what_must_stand
from stations.scene import Scene
from stations.servicedesk import ServiceDesk
from stations.simulator import desk_context
from tests.stations.test_pusher import settings_for


def worked(server, tmp_path, context, until, acknowledged=()):
    """The journal of a desk that worked until `until(events)`."""
    path = tmp_path / "journal"
    with Journal(path, monotonic_s) as journal:
        for name, content_id in acknowledged:
            journal.write("BERL", Role.STATION, What.UPLOAD_ACKNOWLEDGED, path=name, content_id=content_id)
        scene = Scene(settings_for(server), journal, Corpus(tmp_path / "corpus"), monotonic_s())
        thread = threading.Thread(target=ServiceDesk(scene, 0, 1, context).run)
        thread.start()
        deadline_s, pause = monotonic_s() + 15, threading.Event()
        while not until(read_journal(path)):
            assert monotonic_s() < deadline_s, read_journal(path)
            pause.wait(0.02)
        scene.stop.set()
        thread.join(15)
    return [event for event in read_journal(path) if event.role is Role.SERVICEDESK]


def has(what):
    return lambda events: any(event.event is what for event in events)


def test_the_desk_reads_what_was_acknowledged_and_clears_its_notes_away(tls_server, tmp_path):
    (tls_server.root / "Station" / "F").write_bytes(b"good")
    events = worked(
        tls_server,
        tmp_path,
        desk_context(tmp_path / "ca.pem"),
        has(What.DELETED),
        acknowledged=[("Station/F", content_id_of(b"good"))],
    )
    assert not [event for event in events if event.error]
    assert [event.bytes for event in events if event.event is What.DOWNLOAD_FINISHED and event.path == "Station/F"] == [
        4
    ]
    assert list((tls_server.root / "Servicedesk").iterdir()) == []
    note = next(event.path for event in events if event.event is What.DELETED)
    assert note.startswith("Servicedesk/")
    assert not what_must_stand(events)[note].allowed
    assert {"AUTH TLS", "PBSZ 0", "PROT P"} <= set(tls_server.commands)


def test_the_desk_notices_a_file_that_is_not_what_was_acknowledged(tls_server, tmp_path):
    (tls_server.root / "Station" / "F").write_bytes(b"half")
    events = worked(
        tls_server,
        tmp_path,
        desk_context(tmp_path / "ca.pem"),
        has(What.DOWNLOAD_CORRUPT),
        acknowledged=[("Station/F", content_id_of(b"whole"))],
    )
    assert [event.path for event in events if event.event is What.DOWNLOAD_CORRUPT] == ["Station/F"]


def test_the_desk_notices_a_file_that_was_acknowledged_and_is_gone(tls_server, tmp_path):
    events = worked(
        tls_server,
        tmp_path,
        desk_context(tmp_path / "ca.pem"),
        has(What.DOWNLOAD_FAILED),
        acknowledged=[("Station/F", content_id_of(b"whole"))],
    )
    failure = next(event for event in events if event.event is What.DOWNLOAD_FAILED)
    assert failure.path == "Station/F"
    assert failure.error.startswith("error_perm: 550")


def test_a_note_that_was_acknowledged_and_cannot_be_deleted_stays_expected(tls_server, tmp_path):
    tls_server.refuse["DELE"] = "550 No."
    events = worked(tls_server, tmp_path, desk_context(tmp_path / "ca.pem"), has(What.DELETE_FAILED))
    failure = next(event for event in events if event.event is What.DELETE_FAILED)
    assert not failure.outcome_unknown
    assert what_must_stand(events)[failure.path].acknowledged
    assert not [event for event in events if event.event is What.DELETED]


def test_a_deletion_whose_answer_was_lost_is_tried_again(tls_server, tmp_path):
    tls_server.refuse["DELE"] = "421 Going down."
    events = worked(tls_server, tmp_path, desk_context(tmp_path / "ca.pem"), has(What.DELETE_FAILED))
    failure = next(event for event in events if event.event is What.DELETE_FAILED)
    assert failure.outcome_unknown
    assert sum(event.event is What.DELETE_STARTED and event.path == failure.path for event in events) > 1
    assert what_must_stand(events)[failure.path].absent_allowed


def test_a_server_that_another_authority_vouches_for_is_not_trusted(tls_server, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    events = worked(tls_server, tmp_path, desk_context(other), has(What.DOWNLOAD_FAILED))
    assert events[1].path == "/"
    assert "CERTIFICATE_VERIFY_FAILED" in events[1].error
    assert "PASS" not in "".join(tls_server.commands)


def test_data_connections_continue_the_tls_session_of_the_control_connection(tls_server, tmp_path):
    settings = settings_for(tls_server)
    with Journal(tmp_path / "journal", monotonic_s) as journal:
        entrance = Scene(settings, journal, Corpus(tmp_path), 0.0).entrance("ingest", "servicedesk", 1)
    ftp = DeskClient(entrance, desk_context(tmp_path / "ca.pem"))
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd("NLST")
    assert isinstance(data, ssl.SSLSocket)
    resumed = data.session_reused
    while data.recv(1000):
        pass
    data.unwrap()
    data.close()
    ftp.voidresp()
    leave(ftp)
    assert resumed
