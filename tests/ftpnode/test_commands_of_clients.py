"""Commands beside RFC 959 and 3659: what they tell is true, what cannot be had is refused clearly."""

import hashlib
import shutil
import zlib

import pytest
from blake3 import blake3

from balancer.core.features import FEATURES
from ftpnode.commands.digests import digested
from ftpnode.trouble import CommandRefusedError

CONTENT = b"GNSS\r\n" * 1000


@pytest.fixture(scope="module")
def station(alone):
    with alone.client() as client:
        assert client.ask("MKD digests").startswith("257")
        assert client.ask("CWD digests").startswith("250")
        assert client.store("day 1.rnx", CONTENT).startswith("226")
        yield client


def test_hash_tells_the_digest_of_the_whole_file_by_the_algorithm_that_was_chosen(station):
    sha, fast = hashlib.sha256(CONTENT).hexdigest(), blake3(CONTENT).hexdigest()
    assert station.ask("HASH day 1.rnx") == f"213 SHA-256 0-6000 {sha} /digests/day 1.rnx"
    assert station.ask("OPTS HASH") == "200 SHA-256"
    assert station.ask("OPTS HASH blake3") == "200 BLAKE3"
    assert station.ask("HASH day 1.rnx") == f"213 BLAKE3 0-6000 {fast} /digests/day 1.rnx"
    assert "HASH SHA-256;BLAKE3*" in station.ask("FEAT")
    assert station.ask("OPTS HASH MD5").startswith("501")
    assert station.ask("OPTS HASH SHA-256") == "200 SHA-256"
    assert station.ask("HASH missing").startswith("550")
    assert station.ask("HASH /digests").startswith("550")


@pytest.mark.parametrize("written", ["day 1.rnx", '"day 1.rnx"', '"/digests/day 1.rnx"'])
def test_the_older_digest_commands_tell_the_digits_alone(station, written):
    assert station.ask(f"XSHA256 {written}") == f"250 {hashlib.sha256(CONTENT).hexdigest().upper()}"
    assert station.ask(f"XMD5 {written}") == f"250 {hashlib.md5(CONTENT).hexdigest().upper()}"
    assert station.ask(f"XCRC {written}") == f"250 {zlib.crc32(CONTENT):08X}"


@pytest.mark.parametrize("command", ["MFMT 20200101000000", "MDTM 20200101000000", "MFF modify=20200101000000;"])
def test_a_modification_time_can_be_set_in_three_ways(station, command):
    assert station.ask("MFMT 20240229120000 day 1.rnx").startswith("213 Modify=20240229120000; ")
    assert station.ask(f"{command} day 1.rnx").startswith("2")
    assert station.ask("MDTM day 1.rnx") == "213 20200101000000"


def test_a_file_whose_name_is_a_time_is_still_asked_by_mdtm(station):
    station.store("20200101000000", b"1")
    station.ask("MFMT 20210101000000 20200101000000")
    assert station.ask("MDTM 20200101000000") == "213 20210101000000"


def test_free_bytes_are_those_that_an_upload_may_have(alone, station):
    reserve_bytes = alone.cluster.settings.replication.disk_reserve_bytes
    told_bytes = int(station.ask("AVBL").removeprefix("213 "))
    assert abs(shutil.disk_usage(alone.root).free - reserve_bytes - told_bytes) < 1 << 30
    assert station.ask("AVBL missing").startswith("550")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MFCT 20200101000000 day 1.rnx", "504"),
        ("MFF create=20200101000000; day 1.rnx", "504"),
        ("MFF modify=yesterday; day 1.rnx", "501"),
        ("COMB whole part1 part2", "502"),
        ("CCC", "534"),
        ("HOST 127.0.0.1", "503"),
        ("SITE CHMOD", "504"),
    ],
)
def test_what_is_not_there_is_refused_by_a_code_of_its_own(station, command, code):
    assert station.ask(command).startswith(code)


def test_creation_times_are_not_offered_since_none_can_be_set(station):
    told = station.ask("FEAT")
    assert "MFF modify;" in told
    assert "MFCT" not in told
    assert "create" not in told.lower()
    assert station.ask("MFCT 20200101000000 missing").startswith("504")


def test_site_help_names_what_site_can_do(station):
    told = station.ask("SITE HELP")
    assert told.startswith("214-")
    assert "SITE CHMOD" in told


def test_host_takes_the_address_itself_before_user_alone(alone):
    with alone.connect() as client:
        assert client.ask(f"HOST {alone.host}").startswith("220")
        assert client.ask("HOST elsewhere.example").startswith("504")
        assert client.ask("CLNT WinSCP").startswith("200")
        client.ask("USER station")
        assert client.ask(f"HOST {alone.host}").startswith("503")


def test_who_may_only_read_sets_no_time(alone):
    (alone.root / "Data").mkdir(exist_ok=True)
    (alone.root / "Data/read-only.rnx").write_bytes(CONTENT)
    with alone.client("anonymous", "public") as reader:
        for command in ("MDTM 20200101000000", "MFF modify=20200101000000;", "MFMT 20200101000000"):
            assert reader.ask(f"{command} read-only.rnx").startswith("550")
        assert reader.ask("XCRC read-only.rnx").startswith("250")


def test_the_balancer_announces_what_a_node_can_do(alone):
    with alone.connect() as client:
        told = client.ask("FEAT").splitlines()[1:-1]
    assert sorted(line.strip() for line in told) == sorted(FEATURES)


def test_site_copies_tells_how_many_nodes_hold_a_file(station, pair):
    content_id = blake3(CONTENT).hexdigest()
    assert station.ask("SITE COPIES day 1.rnx") == f"213 At least 1 of 1 nodes hold BLAKE3 {content_id}."
    assert station.ask("SITE COPIES missing").startswith("550")
    assert station.ask("SITE COPIES /").startswith("550")
    assert station.ask("SITE COPIES").startswith("504")
    with pair[0].client() as client:
        assert client.store("copies.rnx", CONTENT).startswith("226")
        assert client.ask("SITE COPIES copies.rnx") == f"213 At least 2 of 3 nodes hold BLAKE3 {content_id}."
        assert client.ask("SITE COPIES ../copies").startswith("550")


def test_a_digest_for_a_client_that_has_gone_is_given_up(tmp_path):
    (tmp_path / "large").write_bytes(bytes(3 << 20))
    file = (tmp_path / "large").open("rb", buffering=0)
    answers = iter([False, True])
    with pytest.raises(CommandRefusedError):
        digested(file, "SHA-256", lambda: next(answers))
    assert file.closed
