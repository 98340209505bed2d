import threading

import pytest

from cluster.clock import monotonic_s
from stations.corpus import Corpus
from stations.idler import Idler
from stations.journal import Journal, What, read_journal
from stations.scene import Scene
from stations.simulator import desk_context
from tests.kit.wait import PATIENCE_S, until
from tests.stations.test_pusher import settings_for


class Stage:
    """An idler at work; `events` is what it has written so far."""

    def __init__(self, server, tmp_path, index, context):
        self._path = tmp_path / "journal"
        self._journal = Journal(self._path, monotonic_s)
        settings = settings_for(server, idle_s=(0.01, 0.02))
        self._scene = Scene(settings, self._journal, Corpus(tmp_path / "corpus"), monotonic_s())
        self._thread = threading.Thread(target=Idler(self._scene, index, 1, context).run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._scene.stop.set()
        self._thread.join(PATIENCE_S)
        self._journal.__exit__(None, None, None)

    def wait_for(self, what, count=1):
        until(lambda: sum(event.event is what for event in read_journal(self._path)) >= count, what)

    def events(self):
        return read_journal(self._path)


@pytest.mark.parametrize(
    ("index", "logs_in_as", "over_tls"), [(0, "station", False), (1, "anonymous", False), (2, "servicedesk", True)]
)
def test_it_stays_logged_in_and_looks_again_and_again(tls_server, tmp_path, index, logs_in_as, over_tls):
    with Stage(tls_server, tmp_path, index, desk_context(tmp_path / "ca.pem")) as stage:
        stage.wait_for(What.SESSION_ANSWERED, 3)
    assert [event.event for event in stage.events()].count(What.SESSION_OPENED) == 1
    assert not [event for event in stage.events() if event.error]
    assert [line for line in tls_server.commands if line.startswith("USER")] == [f"USER {logs_in_as}"]
    assert ("AUTH TLS" in tls_server.commands) is over_tls
    assert tls_server.commands[-1] == "QUIT"


def test_a_session_that_has_died_is_an_error_once_and_another_one_is_opened(ftp_server, tmp_path):
    ftp_server.refuse = {"MLST": "421 Gone."}
    with Stage(ftp_server, tmp_path, 0, None) as stage:
        stage.wait_for(What.SESSION_FAILED, 2)
    kinds = [event.event for event in stage.events()]
    assert kinds[:4] == [What.SESSION_OPENED, What.SESSION_FAILED, What.SESSION_OPENED, What.SESSION_FAILED]
    assert "421 Gone." in stage.events()[1].error


def test_a_door_that_is_shut_is_an_error_too(ftp_server, tmp_path):
    ftp_server.refuse = {"USER": "530 Not today."}
    with Stage(ftp_server, tmp_path, 1, None) as stage:
        stage.wait_for(What.SESSION_FAILED, 2)
    assert {event.event for event in stage.events()} == {What.SESSION_FAILED}
