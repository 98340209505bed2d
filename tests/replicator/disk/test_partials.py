"""What is kept of uploads that were cut: for whom, how much, for how long."""

import pytest

from cluster.publish import Publish, Reason
from cluster.quota import Quota
from replicator.core.head import Kind
from replicator.core.place import Row, Written
from replicator.disk.partials import Owner, Partials, told_bytes
from replicator.publish.quotas import Quotas
from replicator.publish.refusals import RefusedError
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
OWNER = Owner("Station/x", "station")
CAME = bytes(range(256)) * 400  # 100 KB


async def keep(replica, came=CAME, owner=OWNER, keep_s=60.0):
    file = replica.staging.folder / "up-1"
    file.write_bytes(came)
    await replica.staging.partials.keep(replica, file, owner, keep_s)
    assert not file.exists()


def names(replica):
    return sorted(file.name for file in replica.staging.folder.iterdir())


def nothing_stands(_path):
    return False


@pytest.mark.parametrize(("came", "told"), [(0, 0), (65536, 0), (65537, 65536), (69632, 65536), (10**6, 999424)])
async def test_who_is_told_never_takes_it_for_the_whole(came, told):
    assert told_bytes(came) == told
    assert told < came or not came


async def test_what_came_is_found_by_its_account_alone_without_its_last_bytes(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        await keep(replica)
        name, size_bytes = replica.staging.partials.find(OWNER)
        assert size_bytes == told_bytes(len(CAME)) < len(CAME)
        assert (replica.staging.folder / name).read_bytes() == CAME[:size_bytes]
        assert replica.staging.partials.find(Owner("Station/x", "another")) is None
        assert replica.staging.partials.find(Owner("Station/y", "station")) is None


async def test_the_newest_cut_upload_of_a_path_takes_the_place_of_the_one_before(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        await keep(replica)
        await keep(replica, bytes(70_000))
        name, size_bytes = replica.staging.partials.find(OWNER)
        assert (replica.staging.folder / name).read_bytes() == bytes(size_bytes) == bytes(69632)
        assert len(names(replica)) == 2


async def test_it_outlives_a_restart_and_what_was_half_written_does_not(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        await keep(replica)
        await keep(replica, owner=Owner("Station/torn", "station"))
        torn, _ = replica.staging.partials.find(Owner("Station/torn", "station"))
        (replica.staging.folder / torn).write_bytes(b"torn")
        (replica.staging.folder / "cut-without-a-word").write_bytes(CAME)
        found = replica.staging.partials.find(OWNER)
    async with OpenReplica(tmp_path) as replica:
        assert replica.staging.partials.find(OWNER) == found
        assert replica.staging.partials.find(Owner("Station/torn", "station")) is None
        assert len(names(replica)) == 2


@pytest.mark.parametrize("why", ["nobody wants it", "too little", "a file stands there"])
async def test_it_is_not_kept_where_nobody_could_go_on(tmp_path, why):
    async with OpenReplica(tmp_path) as replica:
        if why == "a file stands there":
            row = Row(kind=Kind.FILE, content_id="0" * 64, size_bytes=1)
            replica.index.feed("Station/x", Written(row=row, now_ns=1))
        came, keep_s = (b"little" if why == "too little" else CAME), (0.0 if why == "nobody wants it" else 60.0)
        await keep(replica, came, keep_s=keep_s)
        assert replica.staging.partials.find(OWNER) is None
        assert names(replica) == []


async def test_it_goes_when_its_time_is_over_a_file_has_come_or_others_need_the_room(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        partials = replica.staging.partials
        for number, keep_s in enumerate((10.0, 1000.0, 2000.0)):
            await keep(replica, owner=Owner(f"{number}", "station"), keep_s=keep_s)
        found = [partials.find(Owner(f"{number}", "station")) for number in range(3)]
        now_s = partials._kept[Owner("0", "station")].until_s

        partials.limit(now_s - 1, 10**9, nothing_stands)
        assert [partials.find(Owner(f"{number}", "station")) for number in range(3)] == found
        partials.limit(now_s, 10**9, nothing_stands)
        assert [partials.find(Owner(f"{number}", "station")) for number in range(3)] == [None, *found[1:]]
        partials.limit(now_s, found[2][1], nothing_stands)
        assert [partials.find(Owner(f"{number}", "station")) for number in range(3)] == [None, None, found[2]]
        partials.limit(now_s, 10**9, lambda path: path == "2")
        assert names(replica) == []


async def test_it_counts_against_the_quota_but_not_for_who_goes_on_with_it(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        await keep(replica)
        quotas = Quotas(replica.index, replica.staging.partials)
        kept_bytes = told_bytes(len(CAME))
        assert quotas.used("Station").bytes == quotas.used("").bytes == kept_bytes
        assert quotas.used("Data").bytes == quotas.used("Station", "Station/x").bytes == 0
        quota = Quota(home="Station", bytes=len(CAME))
        more = {"id": 1, "quota": quota, "staged": "up-2", "content_id": "0" * 64, "mtime_ns": 1}
        with quotas.claim(Publish(path="Station/x", size_bytes=len(CAME), **more)):
            pass
        another = Publish(path="Station/y", size_bytes=len(CAME), **more)
        with pytest.raises(RefusedError) as refused, quotas.claim(another):
            pass
        assert refused.value.reason is Reason.OVER_QUOTA


async def test_a_new_run_without_anything_kept_starts(tmp_path):
    Partials(tmp_path).start()
