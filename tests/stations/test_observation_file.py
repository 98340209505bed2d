import gzip
import re
import warnings
from datetime import UTC, datetime

import hatanaka
import numpy as np
import pytest

from stations.observation_file import Session, hatanaka_gzip, observation_text
from stations.orbit import CONSTELLATIONS, earth_fixed, elevations, ranges, satellite_positions

HOUR = Session(
    site="BERL",
    position_m=earth_fixed(52.52, 13.40, 80.0),
    start=datetime(2026, 11, 22, 14, tzinfo=UTC),
    period_s=3600,
    interval_s=30,
)


@pytest.fixture(scope="module")
def text():
    return observation_text(HOUR, np.random.default_rng(1))


def georinex_times(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        georinex = pytest.importorskip("georinex")
        return georinex.gettime(path)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(text):
    assert observation_text(HOUR, np.random.default_rng(1)) == text
    assert observation_text(HOUR, np.random.default_rng(2)) != text


def test_packed_files_do_not_tell_when_they_were_packed(text):
    program = gzip.decompress(hatanaka_gzip(text)).split(b"\n")[1].decode()
    assert program[60:] == "CRINEX PROG / DATE"
    assert program[:40].startswith("RNX2CRX")
    assert program[40:60].strip() == ""


@pytest.mark.parametrize("seed", range(5))
def test_compression_is_undone_byte_for_byte(seed):
    session = Session(
        site="KIEL",
        position_m=earth_fixed(-54.32 + 20 * seed, 10.14, 0.0),
        start=HOUR.start,
        period_s=900,
        interval_s=(1, 5, 15, 30, 60)[seed],
    )
    plain = observation_text(session, np.random.default_rng(seed))
    packed = hatanaka_gzip(plain)
    assert hatanaka.decompress(packed) == plain
    assert gzip.decompress(packed)[20:60].startswith(b"COMPACT RINEX FORMAT")


def test_an_independent_reader_finds_every_epoch(text, tmp_path):
    path = tmp_path / "BERL00DEU_R_20263261400_01H_30S_MO.crx.gz"
    path.write_bytes(hatanaka_gzip(text))
    times = georinex_times(path)
    assert len(times) == HOUR.epochs == 120
    assert str(times[0]).startswith("2026-11-22T14:00:00")
    assert str(times[-1]).startswith("2026-11-22T14:59:30")


def test_values_are_those_of_a_receiver_on_the_ground(text):
    rows = re.findall(rb"^[GREC]\d\d.*$", text, re.MULTILINE)
    codes = np.array([float(row[3:17]) for row in rows])
    strengths = np.array([float(row[51:65]) for row in rows])
    assert 19e6 < codes.min() < codes.max() < 29e6
    assert 25 < strengths.min() < strengths.max() < 55
    assert 25 < len(rows) / HOUR.epochs < 50
    assert not re.search(rb" $", text, re.MULTILINE)


@pytest.mark.parametrize("constellation", CONSTELLATIONS, ids=lambda each: each.letter)
def test_satellites_keep_their_height_and_move_as_fast_as_they_should(constellation):
    times_s = np.arange(0.0, 86400.0, 600.0)
    positions = satellite_positions(constellation, times_s)
    assert np.allclose(np.sqrt((positions**2).sum(axis=-1)), constellation.radius_m)
    station = np.array(HOUR.position_m)
    speed = (ranges(satellite_positions(constellation, times_s + 1), station) - ranges(positions, station))[
        elevations(positions, station) > 0
    ]
    assert 300 < np.abs(speed).max() < 1200
    seen = (elevations(positions, station) > np.radians(5)).sum(axis=1)
    assert seen.min() >= 4
