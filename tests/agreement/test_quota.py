"""What fits into a quota, how large an upload may become, and quotas that cannot be meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.problem import ConfigError
from cluster.quota import Quota, Usage, most_bytes, overrun
from cluster.read_settings import read_settings
from cluster.settings import Account, AccountLimits
from tests.kit.cluster_folder import write_cluster

K = 1000


@pytest.mark.parametrize(
    ("most_bytes", "most_entries", "used", "added", "fits"),
    [
        (None, None, Usage(9 * K, 9), Usage(9 * K, 9), True),
        (10, None, Usage(0, 0), Usage(10, 1), True),
        (10, None, Usage(0, 0), Usage(11, 1), False),
        (10, None, Usage(10, 1), Usage(0, 1), True),
        (10, None, Usage(10, 1), Usage(1, 0), False),
        (10, None, Usage(50, 1), Usage(-1, 0), True),
        (10, None, Usage(50, 1), Usage(0, 0), True),
        (None, 3, Usage(0, 2), Usage(9 * K, 1), True),
        (None, 3, Usage(0, 3), Usage(0, 1), False),
        (None, 3, Usage(0, 4), Usage(9 * K, 0), True),
        (10, 3, Usage(5, 3), Usage(5, 1), False),
        (10, 3, Usage(5, 2), Usage(6, 1), False),
    ],
)
def test_a_change_fits_or_does_not(most_bytes, most_entries, used, added, fits) -> None:
    quota = Quota(home="Station", bytes=most_bytes, entries=most_entries)
    assert (overrun(quota, used, added) is None) is fits


def test_why_it_does_not_fit_is_one_line_with_the_numbers() -> None:
    quota = Quota(home="Station", bytes=10, entries=3)
    assert overrun(quota, Usage(8, 1), Usage(5, 1)) == "8 of 10 bytes are used, and this would add 5"
    assert overrun(quota, Usage(8, 3), Usage(1, 1)) == ("3 of 3 files and directories are used, and this would add 1")


@pytest.mark.parametrize(
    ("most", "entries", "used", "replaced", "room"),
    [
        (None, None, Usage(9, 9), None, None),
        (10, None, Usage(0, 0), None, 10),
        (10, None, Usage(4, 1), None, 6),
        (10, None, Usage(10, 1), None, 0),
        (10, None, Usage(12, 2), None, 0),
        (10, None, Usage(10, 2), 4, 4),
        (10, None, Usage(8, 2), 4, 6),
        (10, None, Usage(90, 2), 40, 40),
        (None, 3, Usage(9, 2), None, None),
        (None, 3, Usage(9, 3), None, 0),
        (None, 3, Usage(9, 3), 5, None),
        (10, 3, Usage(9, 3), 5, 6),
    ],
)
def test_how_large_an_upload_may_become(most, entries, used, replaced, room) -> None:
    assert most_bytes(Quota(home="", bytes=most, entries=entries), used, replaced) == room


@given(
    quota=st.integers(1, 100),
    used=st.integers(0, 200),
    replaced=st.none() | st.integers(0, 50),
    size=st.integers(0, 300),
)
def test_the_room_is_what_the_publisher_will_take(quota, used, replaced, size) -> None:
    """An upload that stays within the room is not refused later, if nothing else happens; one byte more is."""
    bound = Quota(home="", bytes=quota)
    used_now = Usage(max(used, replaced or 0), 1)
    room = most_bytes(bound, used_now, replaced)
    fits = overrun(bound, used_now, Usage(size - (replaced or 0), replaced is None)) is None
    assert fits is (size <= room or (size == 0 and replaced is None))


def test_an_account_has_a_quota_of_what_its_limits_say() -> None:
    limits = AccountLimits(quota_bytes=5 * K)
    assert Account(home="/Station/", rights=(), limits=limits).quota() == Quota(home="Station", bytes=5 * K)
    assert Account(home="/", rights=(), limits=AccountLimits(quota_entries=2)).quota() == Quota(home="", entries=2)
    assert Account(home="/Station", rights=(), limits=AccountLimits(sessions=1)).quota() is None


@pytest.mark.parametrize(("field", "value"), [("quota_bytes", "0"), ("quota_entries", "-1"), ("quota_bytes", "2GB")])
def test_a_quota_that_is_no_number_is_refused_with_its_place_in_the_file(tmp_path, field, value) -> None:
    cluster = write_cluster(tmp_path / "c")
    home = "    home: /Station\n"
    cluster.file.write_text(cluster.file.read_text().replace(home, f"{home}    limits: {{{field}: {value}}}\n"))
    with pytest.raises(ConfigError) as caught:
        read_settings(cluster.file)
    assert f"accounts.station.limits.{field}" in str(caught.value.problems[0])
