import json
import signal
import subprocess
import sys
import threading

import pytest

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from stations.completeness import Verdict, judged
from stations.corpus import Corpus
from stations.customer import Customer, expected_of_product
from stations.journal import Journal, Role, What, read_journal
from stations.ledger import counts, what_must_stand
from stations.scene import Scene
from tests.kit.wait import PATIENCE_S, until
from tests.stations.conftest import PASSWORDS, FtpServer
from tests.stations.test_pusher import settings_for


def command_line(server, tmp_path, *more):
    passwords = tmp_path / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    return [
        *(sys.executable, "-m", "stations", "run", "--host", "localhost", "--passwords", str(passwords)),
        *("--ingest-port", str(server.port), "--public-port", str(server.port), "--journal", str(tmp_path / "journal")),
        *("--corpus", str(tmp_path / "corpus"), "--source-network", "127.0.1.0/24", "--log-format", "json", *more),
    ]


@pytest.fixture(scope="module")
def real_like(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    (folder / "delf0010.21d").write_bytes(b"a file from elsewhere")
    (folder / "README.md").write_bytes(b"no station file")
    return folder


@pytest.mark.slow
def test_a_whole_network_works_and_its_journal_tells_what_the_server_holds(tls_server, tmp_path, real_like):
    ca = str(tmp_path / "ca.pem")
    done = subprocess.run(
        command_line(
            tls_server,
            tmp_path,
            *("--stations", "7", "--customers", "2", "--seconds", "4", "--hour-seconds", "1.5", "--ca", ca),
            *("--real-files", str(real_like)),
        ),
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    events = read_journal(tmp_path / "journal")
    found = counts(events)
    assert [event for event in events if event.error] == []
    assert found.uploads.acknowledged == found.uploads.started > 7 * 3
    assert found.downloads.finished > 10
    assert found.idle_sessions.opened == 3
    assert found.idle_sessions.client_errors == 0
    assert found.downloads.corrupt == found.violations == 0
    assert {event.role for event in events} == set(Role)

    owed = what_must_stand(events)
    for path, expectation in owed.items():
        file = tls_server.root / path
        content = file.read_bytes() if file.exists() else None
        assert expectation.holds(content and content_id_of(content)), path
        if content and "BERL" in path:
            assert judged(file.name, content).verdict is Verdict.COMPLETE
    stored = {
        str(path.relative_to(tls_server.root))
        for path in tls_server.root.rglob("*")
        if path.is_file() and path.name != "README"
    }
    assert stored == {path for path, expectation in owed.items() if expectation.acknowledged}
    assert "Station/REAL/delf0010.21d" in stored
    assert tls_server.clients == {f"127.0.1.{number}" for number in range(1, 7 + 2 + 2 + 1 + 3 + 1)}


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_ends_no_actor_and_costs_nothing_acknowledged(tmp_path):
    root, pause = tmp_path / "root", threading.Event()
    server = FtpServer(root).start()
    process = subprocess.Popen(
        command_line(
            server,
            tmp_path,
            *("--stations", "7", "--customers", "2", "--servicedesk", "0", "--retry-seconds", "0.1"),
            *("--seconds", "5", "--hour-seconds", "1", "--timeout-seconds", "5"),
        ),
        stderr=subprocess.PIPE,
    )
    while process.poll() is None:
        pause.wait(0.4)
        server.join()
        pause.wait(0.2)
        server = FtpServer(root, port=server.port).start()
    _, log = process.communicate(timeout=PATIENCE_S)
    server.join()
    assert process.returncode == 0, log.decode()

    events = read_journal(tmp_path / "journal")
    found = counts(events)
    assert found.uploads.client_errors > 0
    assert found.uploads.started == found.uploads.acknowledged + found.uploads.client_errors
    assert found.downloads.corrupt == found.violations == 0
    assert not [event.error for event in events if event.event is What.NOTE]
    for path, expectation in what_must_stand(events).items():
        assert expectation.acknowledged, path
        assert expectation.holds(content_id_of((root / path).read_bytes())), path


@pytest.mark.slow
def test_told_to_end_it_ends_well(ftp_server, tmp_path):
    process = subprocess.Popen(
        command_line(
            ftp_server,
            tmp_path,
            *("--stations", "2", "--applications", "0", "--customers", "0", "--servicedesk", "0"),
            *("--seconds", "0", "--hour-seconds", "3600"),
        ),
        stderr=subprocess.PIPE,
    )
    until(lambda: any((ftp_server.root / "Station").rglob("*.gz")), "a file has come")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log.decode()
    assert json.loads(log.splitlines()[-1])["event"] == "ended"


@pytest.mark.slow
def test_told_to_end_while_it_makes_files_it_ends_at_once(ftp_server, tmp_path):
    process = subprocess.Popen(
        command_line(ftp_server, tmp_path, "--stations", "40", "--servicedesk", "0"), stderr=subprocess.PIPE
    )
    assert b"generating files" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"Traceback" not in log
    assert not ftp_server.clients


def test_an_account_without_a_password_is_named(ftp_server, tmp_path):
    arguments = command_line(ftp_server, tmp_path, "--servicedesk", "0")
    (tmp_path / "passwords.json").write_text('{"station": "pegel-17"}')
    done = subprocess.run(arguments, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "no password for lansurvey" in done.stderr.decode()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--servicedesk", "1"], "say --ca FILE"),
        (["--servicedesk", "0", "--source-network", "127.0.1"], "--source-network"),
        (["--stations", "-1"], "--stations"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(ftp_server, tmp_path, more, says):
    done = subprocess.run(command_line(ftp_server, tmp_path, *more), capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def customer_events(server, tmp_path):
    path = tmp_path / "journal"
    with Journal(path, monotonic_s) as journal:
        scene = Scene(settings_for(server), journal, Corpus(tmp_path / "corpus"), monotonic_s())
        thread = threading.Thread(target=Customer(scene, 0, 1).run)
        thread.start()
        ends = {What.DOWNLOAD_FINISHED, What.DOWNLOAD_CORRUPT}
        until(
            lambda: any(event.event in ends and event.path.endswith(".gz") for event in read_journal(path)),
            "a product was read",
        )
        scene.stop.set()
        thread.join(PATIENCE_S)
    return read_journal(path)


def test_a_customer_notices_a_product_with_the_wrong_content(ftp_server, tmp_path):
    good, bad = b"good", b"bad"
    name = f"EPOCHS_2026326_1400_{content_id_of(good)[:16]}.crx.gz"
    (ftp_server.root / "Data" / name).write_bytes(bad)
    corrupt = [event for event in customer_events(ftp_server, tmp_path) if event.event is What.DOWNLOAD_CORRUPT]
    assert corrupt[0].path == f"Data/{name}"
    assert corrupt[0].content_id == content_id_of(bad)


def test_a_customer_is_content_with_the_right_product_and_leaves_the_rest(ftp_server, tmp_path):
    name = f"EPOCHS_2026326_1400_{content_id_of(b'good')[:16]}.crx.gz"
    (ftp_server.root / "Data" / name).write_bytes(b"good")
    (ftp_server.root / "Data" / f"{name}.tmp").write_bytes(b"go")
    events = customer_events(ftp_server, tmp_path)
    assert {event.path for event in events if event.path} == {"Data/", f"Data/{name}"}
    assert not [event for event in events if event.event in {What.DOWNLOAD_CORRUPT, What.VIOLATION}]
    assert expected_of_product(f"{name}.tmp") is None
