"""Real clients against the one address: what they do with a node they do through the balancer too."""

import hashlib

import pytest

from tests.kit.programs import run
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

CONTENT = bytes(range(256)) * 400 + b"\r\n\n\r"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("clients")) as cluster:
        yield cluster


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "up.rnx"
    path.write_bytes(CONTENT)
    return path


def arrived(cluster, path):
    for node in ("node1", "node2"):
        there = cluster.root(node) / "Station" / path
        until(lambda there=there: there.exists() and there.read_bytes() == CONTENT, f"{path} on {node}")
    return True


def url(cluster, path=""):
    return f"ftp://station:{cluster.files.passwords['station']}@{cluster.vip}:2121/{path}"


def login(cluster):
    return ("-u", "station", "-p", cluster.files.passwords["station"], "-P", "2121")


def test_curl_uploads_plain_active_and_under_tls_and_looks(cluster, file):
    run("curl", "-sS", "--ftp-create-dirs", "-T", file, url(cluster, "curl/day/up.rnx"))
    run("curl", "-sSk", "--ssl-reqd", "-T", file, url(cluster, "curl/tls.rnx"))
    run("curl", "-sS", "-P", "-", "-T", file, url(cluster, "curl/active.rnx"))
    assert all(arrived(cluster, path) for path in ("curl/day/up.rnx", "curl/tls.rnx", "curl/active.rnx"))
    assert f"Content-Length: {len(CONTENT)}" in run("curl", "-sSI", url(cluster, "curl/tls.rnx"))


def test_lftp_uploads_under_a_temporary_name_and_mirrors(cluster, file):
    (file.parent / "tree/inner").mkdir(parents=True)
    (file.parent / "tree/inner/deep.rnx").write_bytes(CONTENT)
    script = "set ssl:verify-certificate no; set xfer:use-temp-file yes; set net:max-retries 1; mkdir lftp; "
    script += f"put -O lftp {file}; put -O lftp {file}; mirror -R {file.parent}/tree lftp/tree; quit"
    run("lftp", "-e", script, url(cluster))
    assert arrived(cluster, "lftp/up.rnx")
    assert arrived(cluster, "lftp/tree/inner/deep.rnx")
    assert sorted(path.name for path in (cluster.root("node1") / "Station/lftp").iterdir()) == ["tree", "up.rnx"]


def test_wget_fetches_what_a_pattern_names(cluster, file):
    run("curl", "-sS", "--ftp-create-dirs", "-T", file, url(cluster, "wget/a.rnx"))
    run("wget", "-q", "--no-host-directories", url(cluster, "wget/*.rnx"), folder=file.parent)
    assert (file.parent / "a.rnx").read_bytes() == CONTENT


def test_busybox_tnftp_and_ncftp_upload(cluster, file):
    run("busybox", "ftpput", *login(cluster), cluster.vip, "busybox.rnx", file)
    password = cluster.files.passwords["station"]
    script = (
        f"open {cluster.vip} 2121\nuser station {password}\nbinary\nput {file} tn.rnx\nrename tn.rnx done.rnx\nbye\n"
    )
    run("tnftp", "-n", given=script)
    run("ncftpput", *login(cluster), "-V", "-m", cluster.vip, "ncftp/2026", file)
    assert all(arrived(cluster, path) for path in ("busybox.rnx", "done.rnx", "ncftp/2026/up.rnx"))


def test_digests_and_copies_are_told_through_the_balancer(cluster, file):
    run("curl", "-sS", "-T", file, url(cluster, "told.rnx"))
    with cluster.login("station") as station:
        assert station.sendcmd("HASH told.rnx").split()[3] == hashlib.sha256(CONTENT).hexdigest()
        both = "213 At least 2 of 2 nodes hold BLAKE3"
        until(lambda: station.sendcmd("SITE COPIES told.rnx").startswith(both), "both nodes are known to hold it")
