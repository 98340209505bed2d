import itertools
import random
import threading
from datetime import UTC, datetime

import pytest

from cluster.clock import monotonic_s
from stations.attempt import Client
from stations.corpus import Corpus
from stations.ftp_client import Entrance
from stations.journal import Journal, Role, What, read_journal
from stations.ledger import what_must_stand
from stations.persona import APPEND, DIRECT, DUPLICATE, KEEPS_CONNECTION, PERSONAS, TEMPORARY_NAME
from stations.pusher import Pusher, Round
from stations.scene import Scene, Settings
from stations.upload import Parcel
from tests.kit.wait import until
from tests.stations.conftest import PASSWORDS, FtpServer

NEVER = Round(monotonic_s() + 1e6, [])


def parcel(number, size=200_000):
    return Parcel(folder=("BERL", "2026", "326"), name=f"F{number}", content=random.Random(number).randbytes(size))


def settings_for(server, **changes):
    return Settings(
        **{
            "host": server.host,
            "ingest_port": server.port,
            "public_port": server.port,
            "passwords": PASSWORDS,
            "stations": 1,
            "applications": 0,
            "customers": 0,
            "servicedesk": 0,
            "seconds": 1.0,
            "hour_s": 1.0,
            "seed": 1,
            "first_hour": datetime(2026, 11, 22, 14, tzinfo=UTC),
            "timeout_s": 5.0,
            "retry_s": 0.02,
            "settle_s": 5.0,
            "customer_pause_s": (0.01, 0.05),
            "desk_pause_s": (0.01, 0.05),
        }
        | changes
    )


class Stage:
    """A pusher at work in a thread, its journal, and the scene that stops it."""

    def __init__(self, server, persona, tmp_path, *, probe=lambda _: [], **changes):
        self.path = tmp_path / "journal"
        self.journal = Journal(self.path, monotonic_s)
        self.scene = Scene(settings_for(server, **changes), self.journal, Corpus(tmp_path / "corpus"), monotonic_s())
        entrance = Entrance(
            host=server.host, port=server.port, account="station", password=PASSWORDS["station"], timeout_s=5
        )
        client = Client(who="BERL", role=Role.STATION, persona=persona, entrance=entrance, home="Station")
        self.pusher = Pusher(self.scene, client, probe)

    def push(self, parcels):
        rounds = iter([Round(monotonic_s(), [lambda each=each: each for each in parcels])])
        self.thread = threading.Thread(target=self.pusher.run, args=(itertools.chain(rounds, itertools.repeat(NEVER)),))
        self.thread.start()

    def wait_for(self, what, count=1):
        until(lambda: sum(event.event is what for event in read_journal(self.path)) >= count, what, every_s=0.01)

    def finish(self):
        self.scene.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()
        with self.journal:
            return read_journal(self.path)


@pytest.mark.parametrize("persona", [DIRECT, TEMPORARY_NAME, APPEND, KEEPS_CONNECTION], ids=lambda each: each.name)
def test_a_server_that_dies_in_an_upload_is_tried_again_until_the_file_is_there(persona, tmp_path):
    root = tmp_path / "root"
    dying = FtpServer(root, die_after_bytes=1).start()
    stage = Stage(dying, persona, tmp_path)
    stage.push([parcel(1, 5_000_000)])
    stage.wait_for(What.UPLOAD_FAILED)
    dying.join()
    healed = FtpServer(root, port=dying.port).start()
    stage.wait_for(What.UPLOAD_ACKNOWLEDGED)
    events = stage.finish()
    healed.join()

    first_end = next(event for event in events if event.event is not What.UPLOAD_STARTED)
    assert first_end.event is What.UPLOAD_FAILED
    assert first_end.outcome_unknown == (persona.naming == "direct")
    path = "Station/BERL/2026/326/F1"
    assert (root / path).read_bytes() == parcel(1, 5_000_000).content
    assert what_must_stand(events)[path].acknowledged == first_end.content_id
    started = sum(event.event is What.UPLOAD_STARTED for event in events)
    assert started == 1 + sum(event.event is What.UPLOAD_FAILED for event in events)


def test_what_is_owed_at_the_end_is_still_pushed(tmp_path):
    root = tmp_path / "root"
    late = FtpServer(root).start()
    late.join()  # nobody listens on its port now
    stage = Stage(late, DIRECT, tmp_path)
    stage.push([parcel(1), parcel(2)])
    stage.wait_for(What.UPLOAD_FAILED)
    stage.scene.stop.set()
    healed = FtpServer(root, port=late.port).start()
    events = stage.finish()
    healed.join()
    assert [event.path[-2:] for event in events if event.event is What.UPLOAD_ACKNOWLEDGED] == ["F1", "F2"]
    assert not any(event.outcome_unknown for event in events)


def test_an_end_without_a_server_is_bounded_and_says_what_is_owed(tmp_path):
    gone = FtpServer(tmp_path / "root").start()
    gone.join()
    stage = Stage(gone, DIRECT, tmp_path, settle_s=0.1)
    stage.push([parcel(1), parcel(2), parcel(3)])
    stage.wait_for(What.UPLOAD_FAILED)
    events = stage.finish()
    assert events[-1].event is What.NOTE
    assert events[-1].error == "3 files still owed at the end"


def test_files_left_over_from_an_outage_come_oldest_first_over_one_connection(ftp_server, tmp_path):
    stage = Stage(ftp_server, PERSONAS["catch-up"], tmp_path)
    stage.push([parcel(number, 1000) for number in range(80)])
    stage.wait_for(What.UPLOAD_ACKNOWLEDGED, 80)
    events = stage.finish()
    assert [event.path.rpartition("/F")[2] for event in events if event.event is What.UPLOAD_ACKNOWLEDGED] == [
        str(number) for number in range(80)
    ]
    assert sum(command.startswith("USER") for command in ftp_server.commands) == 1


def test_a_duplicate_push_sends_each_file_twice(ftp_server, tmp_path):
    stage = Stage(ftp_server, DUPLICATE, tmp_path)
    stage.push([parcel(1), parcel(2)])
    stage.wait_for(What.UPLOAD_ACKNOWLEDGED, 4)
    stage.finish()
    assert [command for command in ftp_server.commands if command.startswith("STOR")] == [
        "STOR F1",
        "STOR F1",
        "STOR F2",
        "STOR F2",
    ]


def test_what_a_probe_finds_is_written_down_once(ftp_server, tmp_path):
    stage = Stage(ftp_server, DIRECT, tmp_path, probe=lambda _: ["CWD /Data worked"])
    stage.push([parcel(1), parcel(2)])
    stage.wait_for(What.UPLOAD_ACKNOWLEDGED, 2)
    events = stage.finish()
    assert [event.error for event in events if event.event is What.VIOLATION] == ["CWD /Data worked"]
