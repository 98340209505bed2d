import json
import threading

import msgspec
import pytest

from stations.journal import Event, Journal, Role, What, read_journal


def test_what_is_written_reads_back_and_defaults_are_left_out(tmp_path):
    path = tmp_path / "new" / "journal"
    with Journal(path, lambda: 12.5) as journal:
        written = journal.write("BERL", Role.STATION, What.UPLOAD_STARTED, path="Station/F", content_id="ab", bytes=7)
        assert json.loads(path.read_bytes()) == {  # flushed before the file is closed
            "at_s": 12.5,
            "who": "BERL",
            "role": "station",
            "event": "upload_started",
            "path": "Station/F",
            "content_id": "ab",
            "bytes": 7,
        }
    assert read_journal(path) == [written]


def test_a_line_that_a_killed_process_did_not_finish_is_left_out(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, lambda: 1.0) as journal:
        journal.write("a", Role.CUSTOMER, What.NOTE)
        journal.write("b", Role.CUSTOMER, What.NOTE)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert len(read_journal(path)) == (cut >= first_line)


def test_a_spoiled_line_in_the_middle_is_not_passed_over(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b'{"at_s": 1}\n')
    with pytest.raises(msgspec.ValidationError):
        read_journal(path)


def test_lines_of_many_threads_do_not_mix(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, lambda: 1.0) as journal:

        def write_many():
            for number in range(50):
                journal.write("x" * 500, Role.STATION, What.UPLOAD_ACKNOWLEDGED, path=f"p{number}", content_id="c")

        threads = [threading.Thread(target=write_many) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.acknowledged()) == 50
    assert len(read_journal(path)) == 400


def test_a_deleted_file_is_no_longer_remembered_as_acknowledged(tmp_path):
    with Journal(tmp_path / "journal", lambda: 1.0) as journal:
        journal.write("a", Role.SERVICEDESK, What.UPLOAD_ACKNOWLEDGED, path="p", content_id="c")
        assert journal.acknowledged() == {"p": "c"}
        journal.write("a", Role.SERVICEDESK, What.DELETED, path="p")
        assert journal.acknowledged() == {}


def test_an_unknown_event_is_a_mistake(tmp_path):
    assert {field.name for field in msgspec.structs.fields(Event)} >= {"at_s", "who", "role", "event"}
    with Journal(tmp_path / "journal", lambda: 1.0) as journal, pytest.raises(msgspec.ValidationError):
        journal.write("a", Role.STATION, What.NOTE, bytes="many")
