"""Which version goes next."""

import pytest

from cluster.replication_settings import Replication
from replicator.core.kept_versions import Version, must_go

DAY_NS = 86_400 * 10**9
LIMITS = Replication(versions_days=7, versions_bytes=1000)


def version(gone_ns):
    return Version(path="x", content_id="a", size_bytes=10, mtime_ns=0, made_ns=0, gone_ns=gone_ns, deleted=False)


@pytest.mark.parametrize(
    ("age_days", "count", "total_bytes", "goes"),
    [(6, 1, 1000, False), (8, 1, 10, True), (1, 1, 1001, True), (0, 200_001, 10, True)],
)
def test_the_oldest_goes_when_it_is_too_old_or_they_are_too_many_or_too_large(age_days, count, total_bytes, goes):
    now_ns = 100 * DAY_NS
    assert must_go(version(now_ns - age_days * DAY_NS), count, total_bytes, LIMITS, now_ns) is goes
