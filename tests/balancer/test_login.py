"""Login, upload, download and listing through a real balancer."""

import io

import pytest

from tests.balancer.running_balancer import bench

CONTENT = bytes(range(256)) * 4000


def up_and_down(ftp):
    ftp.storbinary("STOR a.bin", io.BytesIO(CONTENT))
    got = io.BytesIO()
    ftp.retrbinary("RETR a.bin", got.write)
    lines = []
    ftp.dir(lines.append)
    return got.getvalue(), lines, ftp.quit()


@pytest.mark.asyncio
async def test_a_client_uploads_downloads_and_lists(tmp_path):
    async with bench(tmp_path) as b:
        got, lines, bye = await b.run(up_and_down)
        assert got == CONTENT
        assert len(lines) == 1
        assert lines[0].endswith("/a.bin")
        assert bye.startswith("221")
        header = b.nodes[0].headers[0] if b.nodes[0].headers else b.nodes[1].headers[0]
        assert header.source is not None
        assert header.destination == (b.vip, b.port)
