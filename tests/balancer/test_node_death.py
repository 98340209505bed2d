"""A node fails with a reply, or no node remains: the client sees another node's answer, or a 4yz with its session kept.

The deaths are a table of their own, in test_deaths.py.
"""

import ftplib
import io

import pytest

from balancer.spool_memory import SEGMENT_BYTES
from cluster.balancer_settings import Spool
from tests.balancer.running_balancer import bench

CONTENT = bytes(range(256)) * 8000  # more than sockets hold, so that "half" is really in the middle


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["421 leaving", "451 not now"])
@pytest.mark.parametrize("moment", ["greeting", "USER", "PASS"])
async def test_a_login_goes_to_the_next_node(tmp_path, moment, kind):
    async with bench(tmp_path) as b:
        b.arm(moment, kind)
        assert (await b.run(lambda ftp: ftp.pwd())) == "/"


@pytest.mark.asyncio
async def test_a_wrong_password_is_final(tmp_path):
    async with bench(tmp_path) as b:

        def wrong(ftp):
            ftp.sendcmd("USER station")
            with pytest.raises(ftplib.error_perm, match="530 no"):
                ftp.sendcmd("PASS wrong")

        await b.run(wrong, login=False)
        assert sum(node.logins for node in b.nodes) == 1


@pytest.mark.asyncio
async def test_a_login_without_any_node_ends_with_421(tmp_path):
    async with bench(tmp_path) as b:
        for node in b.nodes:
            node.die()

        def nobody(ftp):
            ftp.sendcmd("USER station")
            with pytest.raises(ftplib.error_temp, match="421"):
                ftp.sendcmd("PASS secret")

        await b.run(nobody, login=False)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["451 disk trouble", "452 full"])
@pytest.mark.parametrize("moment", ["STOR before 150", "STOR half", "STOR before publish", "STOR before 226"])
async def test_an_upload_is_repeated_on_the_other_node(tmp_path, moment, kind):
    async with bench(tmp_path) as b:
        b.arm(moment, kind)
        answer = await b.run(lambda ftp: ftp.storbinary("STOR up.bin", io.BytesIO(CONTENT)))
        assert answer.startswith("226 stored by node")
        assert b.tree.files["/up.bin"] == CONTENT
        if "before 150" not in moment:
            assert b.program.health().repeated_uploads == 1
        assert b.program.health().spool_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("segments", [0, 1])
@pytest.mark.parametrize("moment", ["STOR half", "STOR before 226"])
async def test_an_upload_that_memory_does_not_hold_is_repeated_from_the_file_too(tmp_path, moment, segments):
    content = bytes(range(256)) * 8000 + b"the end"
    assert len(content) > segments * SEGMENT_BYTES
    async with bench(tmp_path, spool=Spool(folder=tmp_path, memory_bytes=segments * SEGMENT_BYTES)) as b:
        b.arm(moment)
        await b.run(lambda ftp: ftp.storbinary("STOR up.bin", io.BytesIO(content)))
        assert b.tree.files["/up.bin"] == content
        assert b.program.health().repeated_uploads == 1
        assert b.program.health().spool_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["426 no more", "451 cannot read"])
@pytest.mark.parametrize("moment", ["RETR before 150", "RETR after 150", "RETR half", "RETR before 226"])
async def test_a_download_goes_on_at_its_byte(tmp_path, moment, kind):
    async with bench(tmp_path) as b:
        b.tree.files["/down.bin"] = CONTENT
        b.arm(moment, kind)
        got = io.BytesIO()
        answer = await b.run(lambda ftp: ftp.retrbinary("RETR down.bin", got.write))
        assert answer.startswith("226 sent by node")
        assert got.getvalue() == CONTENT


@pytest.mark.asyncio
async def test_a_download_of_another_file_is_not_continued(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/down.bin"] = CONTENT
        b.arm("RETR half")
        changed = []

        def write(data):
            if not changed:
                b.tree.files["/down.bin"] = CONTENT + b"!"
                changed.append(data)

        def get(ftp):
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.retrbinary("RETR down.bin", write)
            return ftp.pwd()

        assert await b.run(get) == "/"


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["451 not now", "452 full"])
@pytest.mark.parametrize("moment", ["MKD", "MKD done", "DELE", "DELE done", "RNTO", "RNTO done"])
async def test_a_change_in_flight_happens_exactly_once(tmp_path, moment, kind):
    async with bench(tmp_path) as b:
        b.tree.files |= {"/gone": b"1", "/old": b"2"}
        b.arm(moment, kind)

        def change(ftp):
            return ftp.mkd("new"), ftp.delete("gone"), ftp.rename("old", "young")

        made, deleted, renamed = await b.run(change)
        assert made in {"/new", "new"}
        assert deleted.startswith("250")
        assert renamed.startswith("250")
        assert b.tree.files == {"/young": b"2"}
        assert "/new" in b.tree.folders


@pytest.mark.asyncio
async def test_the_client_keeps_its_session_when_no_node_remains(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/down.bin"] = CONTENT
        b.nodes[1].die()
        b.arm("RETR half")

        def get(ftp):
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.retrbinary("RETR down.bin", lambda _data: None)
            with pytest.raises(ftplib.error_temp, match="451"):
                ftp.pwd()
            return ftp.sendcmd("NOOP")

        assert (await b.run(get)).startswith("200")
