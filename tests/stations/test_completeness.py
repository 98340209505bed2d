import bz2
import gzip
import warnings
from datetime import UTC, datetime
from pathlib import Path

import hatanaka
import numpy as np
import pytest

from stations.completeness import Judgement, Unreadable, Verdict, epochs_in, judged
from stations.observation_file import Session, hatanaka_gzip, observation_text
from stations.orbit import earth_fixed

NAME = "BERL00DEU_R_20263261400_01H_30S_MO"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "rinex"
TEXT = observation_text(
    Session(
        site="BERL",
        position_m=earth_fixed(52.52, 13.40, 80.0),
        start=datetime(2026, 11, 22, 14, tzinfo=UTC),
        period_s=3600,
        interval_s=30,
    ),
    np.random.default_rng(1),
)
CRX = hatanaka.rnx2crx(TEXT)
PACKED = hatanaka_gzip(TEXT)


def crx_cut_between_epochs(epochs):
    """In Compact RINEX an epoch begins with its own line; what stands before the next one is whole."""
    head, _, _ = TEXT.partition(b"> ")
    return hatanaka.rnx2crx(head + b"".join(b"> " + each for each in TEXT.split(b"> ")[1 : epochs + 1]))


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        ("rnx", TEXT),
        ("crx", CRX),
        ("rnx.gz", gzip.compress(TEXT)),
        ("crx.gz", PACKED),
        ("crx.bz2", bz2.compress(CRX)),
    ],
)
def test_a_whole_file_is_complete_however_it_is_packed(extension, content):
    assert judged(f"{NAME}.{extension}", content) == Judgement(verdict=Verdict.COMPLETE, epochs=120, expected=120)


def test_a_file_cut_exactly_between_two_epochs_is_short():
    assert judged(f"{NAME}.crx", crx_cut_between_epochs(60)) == Judgement(
        verdict=Verdict.SHORT, epochs=60, expected=120
    )


def test_a_plain_file_cut_inside_an_epoch_does_not_count_that_epoch():
    begins = TEXT.index(b"> 2026 11 22 14 30")
    assert judged(f"{NAME}.rnx", TEXT[: begins + 200]).epochs == 60
    assert judged(f"{NAME}.rnx", TEXT[:begins]).epochs == 60


def test_two_files_in_one_are_more_than_was_promised():
    with pytest.warns(UserWarning, match="crx2rnx"):
        assert judged(f"{NAME}.crx.gz", PACKED + PACKED).verdict is Verdict.EXCESS
    assert judged(f"{NAME}.rnx", TEXT + TEXT).verdict is Verdict.EXCESS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        PACKED[:-1],
        PACKED[: len(PACKED) // 2],
        PACKED[:5],
        CRX[: len(CRX) // 2 - 7],
        b"<html>no</html>",
        b"\0" * 99,
    ],
    ids=["empty", "gz cut at its end", "gz cut in half", "gz cut in its header", "crx cut", "html", "zeroes"],
)
def test_what_cannot_be_read_is_unreadable_with_a_reason(content):
    judgement = judged(f"{NAME}.crx.gz", content)
    assert judgement.verdict is Verdict.UNREADABLE
    assert judgement.reason


@pytest.mark.parametrize("name", ["README.md", "ESBC00DNK_R_20201770000_01D_MN.rnx.gz", "PAR1323a.m00"])
def test_a_name_that_promises_no_observations_is_not_judged(name):
    assert judged(name, TEXT).verdict is Verdict.UNPROMISED


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real station files in {REAL}")
@pytest.mark.parametrize(
    "name",
    [
        "AJAC00FRA_R_20242090000_01D_30S_MO.crx.gz",
        "CEDA00USA_R_20182100000_23H_15S_MO.rnx.gz",
        "GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz",
        "KMS300DNK_R_20221591000_01H_30S_MO.crx",
        "P43300USA_R_20190012056_17M_15S_MO.crx.bz2",
        "delf0010.21d",
    ],
)
def test_epochs_of_real_files_are_those_an_independent_reader_counts(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        georinex = pytest.importorskip("georinex")
        counted = len(georinex.gettime(REAL / name))
    assert epochs_in((REAL / name).read_bytes()) == counted


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real station files in {REAL}")
def test_a_real_day_is_complete_and_navigation_data_has_no_epochs():
    day = "AJAC00FRA_R_20242090000_01D_30S_MO.crx.gz"
    assert judged(day, (REAL / day).read_bytes()) == Judgement(verdict=Verdict.COMPLETE, epochs=2880, expected=2880)
    with pytest.raises(Unreadable, match="not an observation file"):
        epochs_in((REAL / "ESBC00DNK_R_20201770000_01D_MN.rnx.gz").read_bytes())
