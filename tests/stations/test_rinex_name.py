from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.rinex_name import PATTERNS, Kind, long_name, parsed_name


def at(*when):
    return datetime(*when, tzinfo=UTC)


NAMES = [
    ("ABCD00DEU_R_20263261400_01H_30S_MO.crx.gz", Kind.RINEX3_OBSERVATION, "ABCD", at(2026, 11, 22, 14), 3600, 30),
    ("AJAC00FRA_R_20242090000_01D_30S_MO.crx.gz", Kind.RINEX3_OBSERVATION, "AJAC", at(2024, 7, 27), 86400, 30),
    ("GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz", Kind.RINEX3_OBSERVATION, "GRAS", at(2022, 11, 11, 17), 900, 1),
    ("KMS300DNK_R_20221591000_01H_30S_MO.crx", Kind.RINEX3_OBSERVATION, "KMS3", at(2022, 6, 8, 10), 3600, 30),
    ("P43300USA_R_20190012056_17M_15S_MO.crx.bz2", Kind.RINEX3_OBSERVATION, "P433", at(2019, 1, 1, 20, 56), 1020, 15),
    ("ABCD00DEU_S_20263261400_00U_00U_MO.rnx", Kind.RINEX3_OBSERVATION, "ABCD", at(2026, 11, 22, 14), None, None),
    ("ESBC00DNK_R_20201770000_01D_MN.rnx.gz", Kind.RINEX3_NAVIGATION, "ESBC", at(2020, 6, 25), 86400, None),
    ("delf0010.21d", Kind.RINEX2, "DELF", at(2021, 1, 1), 86400, None),
    ("delf001a.99o.Z", Kind.RINEX2, "DELF", at(1999, 1, 1), 3600, None),
    ("delf001x45.21d.gz", Kind.RINEX2, "DELF", at(2021, 1, 1, 23, 45), 900, None),
    ("delf0013.21o", Kind.RINEX2, "DELF", at(2021, 1, 1), None, None),
    ("DSD0______202405010000A.T02", Kind.TRIMBLE, "DSD0", at(2024, 5, 1), None, None),
    ("PAR1323a.m00", Kind.LEICA, "PAR1", None, None, None),
    ("bee_2580.26_", Kind.SEPTENTRIO, "BEE_", at(2026, 9, 15), 86400, None),
    ("bee_258c15.26_.A", Kind.SEPTENTRIO, "BEE_", at(2026, 9, 15, 2, 15), 900, None),
    ("NET10612x001.tps", Kind.TOPCON, "NET1", None, None, None),
]


@pytest.mark.parametrize(("name", "kind", "site", "start", "period_s", "interval_s"), NAMES, ids=[n[0] for n in NAMES])
def test_a_name_says_where_when_how_long_and_how_often(name, kind, site, start, period_s, interval_s):
    parsed = parsed_name(name)
    assert (parsed.kind, parsed.site, parsed.start) == (kind, site, start)
    assert (parsed.period_s, parsed.interval_s) == (period_s, interval_s)
    assert [each for each, pattern in PATTERNS.items() if pattern.fullmatch(name)] == [kind]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ABCD00DEU_R_20263261400_01H_30S_MO.crx.gz.tmp",
        "ABCD00DEU_R_20263261400_01H_30S_MO.crx.gz\n",
        "abcd00DEU_R_20263261400_01H_30S_MO.crx.gz",
        "ABCD00DEU_R_20263261400_01H_MO.crx.gz",
        "ABCD00DEU_R_20263672500_01H_30S_MO.crx.gz",  # day 367, hour 25
        "delf0000.21d",  # day 0
        "",
    ],
)
def test_other_names_promise_nothing(name):
    assert parsed_name(name) is None


def test_the_kind_of_content_is_in_the_name():
    assert parsed_name("delf0010.21d").observations
    assert parsed_name("delf0010.21d").hatanaka
    assert not parsed_name("delf0010.21n").observations
    assert parsed_name("ABCD00DEU_R_20263261400_01H_30S_MO.rnx.gz").compression == "gz"


@given(
    site=st.from_regex(r"[A-Z0-9]{4}", fullmatch=True),
    start=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 - hypothesis wants bounds without zone
    hours=st.integers(1, 24),
    seconds=st.integers(1, 59),
)
def test_a_composed_name_reads_back(site, start, hours, seconds):
    start = start.replace(second=0, microsecond=0, tzinfo=UTC)
    parsed = parsed_name(
        long_name(site=site, country="DEU", start=start, period=f"{hours:02d}H", interval=f"{seconds:02d}S")
    )
    assert (parsed.site, parsed.start, parsed.period_s, parsed.interval_s) == (site, start, hours * 3600, seconds)


def test_a_name_that_would_not_parse_is_not_composed():
    with pytest.raises(ValueError, match="not a RINEX 3 long name"):
        long_name(site="abc", country="DEU", start=at(2026, 1, 1), period="01H", interval="30S")
