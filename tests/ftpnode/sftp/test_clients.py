"""Real SFTP clients do with the door what they do elsewhere: OpenSSH's sftp, lftp, curl."""

import os
import shutil
import subprocess

import pytest

from tests.ftpnode.sftp.clients import SFTP_PORT, openssh

needs_openssh = pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client here")
needs_lftp = pytest.mark.skipif(shutil.which("lftp") is None, reason="lftp is not installed")
needs_curl = pytest.mark.skipif(
    b" sftp " not in subprocess.run("curl -V || true", shell=True, check=False, capture_output=True).stdout,
    reason="no curl with SFTP here",
)
SSH = "ssh -a -x -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR"


@pytest.fixture
def local(tmp_path):
    file = tmp_path / "local.bin"
    file.write_bytes(os.urandom(3_000_000))
    os.utime(file, (1_500_000_000, 1_500_000_000))
    return file


@needs_openssh
def test_openssh_reads(door, key_file, tmp_path):
    node, _ = door
    (node.root / "Station/open.rnx").write_bytes(b"open" * 1000)
    openssh(node, key_file, tmp_path, "ls -la", f"get open.rnx {tmp_path}/got")
    assert (tmp_path / "got").read_bytes() == b"open" * 1000


@needs_openssh
def test_openssh_puts_renames_and_removes(door, key_file, tmp_path, local):
    node, replicator = door
    openssh(node, key_file, tmp_path, "mkdir ossh", f"put -p {local} ossh/new", "rename ossh/new ossh/done")
    assert (node.root / "Station/ossh/done").read_bytes() == local.read_bytes()
    assert 1_500_000_000 in {getattr(request, "mtime_ns", 0) // 10**9 for request in replicator.seen}
    said = openssh(node, key_file, tmp_path, "ls -l ossh", "rm ossh/done", "rmdir ossh")
    assert "3000000" in said
    assert not (node.root / "Station/ossh").exists()


@needs_openssh
def test_openssh_goes_on_with_a_cut_upload_and_puts_a_tree(door, key_file, tmp_path, local):
    node, _ = door
    (node.root / "Station/again.bin").write_bytes(local.read_bytes()[:1_000_000])
    openssh(node, key_file, tmp_path, f"reput {local} again.bin")
    assert (node.root / "Station/again.bin").read_bytes() == local.read_bytes()
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_bytes(b"deep")
    openssh(node, key_file, tmp_path, f"put -rp {tmp_path}/tree ossh-tree")
    assert (node.root / "Station/ossh-tree/sub/file").read_bytes() == b"deep"


@needs_openssh
def test_openssh_says_why_a_put_was_refused(door, key_file, tmp_path, local):
    from cluster.publish import Reason
    from tests.ftpnode.fake_replicator import refuse

    node, replicator = door
    replicator.behave(refuse(Reason.DISK_FULL))
    openssh(node, key_file, tmp_path, f"put {local} refused.bin", fails=True)
    assert not (node.root / "Station/refused.bin").exists()


@needs_lftp
def test_lftp_puts_mirrors_and_goes_on(door, key_file, tmp_path, local):
    node, _ = door
    (node.root / "Station/lftp-again").write_bytes(local.read_bytes()[:1_000_000])
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/file").write_bytes(b"mirrored")
    script = (
        f"set sftp:connect-program '{SSH} -i {key_file}'; set net:max-retries 2; set cmd:fail-exit yes; "
        f"open -u station,x sftp://{node.host}:{SFTP_PORT}; put {local} -o lftp-new; put -c {local} -o lftp-again; "
        f"mirror -R {tmp_path}/mirror lftp-mirror; mv lftp-new lftp-done; rm lftp-done; bye"
    )
    run = subprocess.run(["lftp", "-c", script], capture_output=True, text=True, timeout=90, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (node.root / "Station/lftp-again").read_bytes() == local.read_bytes()
    assert (node.root / "Station/lftp-mirror/file").read_bytes() == b"mirrored"
    assert not (node.root / "Station/lftp-done").exists()


@needs_curl
def test_curl_puts_appends_and_goes_on(door, local):
    node, _ = door
    user = f"station:{node.cluster.passwords['station']}"
    (node.root / "Station/curl-again").write_bytes(local.read_bytes()[:1_000_000])

    def curl(*arguments):
        run = subprocess.run(
            ["curl", "-sS", "-k", "-u", user, *arguments], capture_output=True, timeout=60, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    url = f"sftp://{node.host}:{SFTP_PORT}"
    curl("-T", str(local), f"{url}/curl-new", "--ftp-create-dirs")
    curl("-T", str(local), "-C", "-", f"{url}/curl-again")
    curl("-T", str(local), "-a", f"{url}/curl-new")
    assert curl(f"{url}/curl-new") == local.read_bytes() * 2
    assert (node.root / "Station/curl-again").read_bytes() == local.read_bytes()
    curl("-Q", "rename /curl-new /curl-done", "-Q", "rm /curl-done", f"{url}/")
