"""Makes a RINEX 3.04 observation file as a station of the network would have recorded it.

The same arguments give the same bytes. The text keeps two habits that Hatanaka compression needs to be undone byte for
byte: no blanks at a line's end, and values below one without their leading zero (` .961`, as Fortran writes them).
"""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Final

import hatanaka
import msgspec
import numpy as np

from stations.orbit import (
    CONSTELLATIONS,
    GLONASS_SLOTS,
    Array,
    Constellation,
    elevations,
    ranges,
    satellite_positions,
)

LIGHT_M_S: Final = 299_792_458.0
MASK_RAD: Final = np.radians(5.0)
GPS_EPOCH: Final = datetime(1980, 1, 6, tzinfo=UTC)
CODE_NOISE_M: Final = 0.25
PHASE_NOISE_CYCLES: Final = 0.004
ZENITH_IONOSPHERE_M: Final = 4.0
"""Delay of the first carrier straight up; it grows with the slant and with the square of the wavelength."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver recorded: who, where (Earth-fixed metres), from when (GPS time carried as UTC), how long."""

    site: str
    position_m: tuple[float, float, float]
    start: datetime
    period_s: int
    interval_s: int

    @property
    def epochs(self) -> int:
        """How many epochs the session promises."""
        return self.period_s // self.interval_s


def observation_text(session: Session, chance: np.random.Generator) -> bytes:
    """The uncompressed RINEX 3.04 file of `session`."""
    offsets_s = np.arange(session.epochs, dtype=np.float64) * session.interval_s
    gps_s = (session.start - GPS_EPOCH).total_seconds() + offsets_s
    systems = [_observed(constellation, session, gps_s, chance) for constellation in CONSTELLATIONS]
    lines = [_header(session)]
    for epoch in range(session.epochs):
        moment = session.start + timedelta(seconds=float(offsets_s[epoch]))
        seen = [row for rows in systems for row in rows[epoch]]
        lines.append(f"> {moment:%Y %m %d %H %M} {moment.second:2d}.0000000  0{len(seen):3d}")
        lines.extend(seen)
    lines.append("")
    return "\n".join(lines).encode("ascii")


def hatanaka_gzip(text: bytes) -> bytes:
    """`text` as `.crx.gz`: the same bytes for the same text, and `hatanaka.decompress` gives the text back."""
    version, program, rest = hatanaka.rnx2crx(text).split(b"\n", 2)
    # CRINEX PROG / DATE: columns 41 to 60 tell when it was compressed, which would make other bytes every minute.
    undated = program[:40] + b" " * 20 + program[60:]
    return gzip.compress(b"\n".join((version, undated, rest)), compresslevel=6, mtime=0)


def _observed(
    constellation: Constellation, session: Session, gps_s: Array, chance: np.random.Generator
) -> list[list[str]]:
    """The satellite lines of each epoch."""
    station = np.array(session.position_m)
    here = satellite_positions(constellation, gps_s)
    range_m, elevation = ranges(here, station), elevations(here, station)
    rate_m_s = ranges(satellite_positions(constellation, gps_s + 0.5), station) - ranges(
        satellite_positions(constellation, gps_s - 0.5), station
    )
    epoch, satellite = np.nonzero(elevation > MASK_RAD)
    rho, rho_dot, up = range_m[epoch, satellite], rate_m_s[epoch, satellite], elevation[epoch, satellite]
    columns: list[Array] = [np.add(satellite, 1.0, dtype=np.float64)]
    for band in (0, 1):
        carrier_hz = _carriers(constellation, band)[satellite]
        ambiguity = chance.integers(-(10**6), 10**6, constellation.satellites)[satellite]
        ionosphere_m = ZENITH_IONOSPHERE_M / (np.sin(up) + 0.15) * (CONSTELLATIONS[0].carrier_hz[0] / carrier_hz) ** 2
        strength: Array = np.round((30 + 20 * np.sin(up) + chance.normal(0, 0.7, len(rho)) - 2 * band) * 4) / 4
        wavelength_m = LIGHT_M_S / carrier_hz
        columns += [
            rho + ionosphere_m + chance.normal(0, CODE_NOISE_M, len(rho)),
            (rho - ionosphere_m) / wavelength_m + ambiguity + chance.normal(0, PHASE_NOISE_CYCLES, len(rho)),
            np.clip(strength // 6, 1, 9),
            -rho_dot / wavelength_m,
            strength,
        ]
    return _by_epoch(constellation, np.column_stack(columns), np.bincount(epoch, minlength=len(gps_s)).tolist())


def _by_epoch(constellation: Constellation, values: Array, counts: list[int]) -> list[list[str]]:
    # One format string for all rows is several times faster than one call a row. Adding 0.0 turns -0.0 into 0.0, which
    # has no other spelling after decompression.
    band = "%14.3f  %14.3f %d%14.3f  %14.3f"
    row = f"{constellation.letter}%02d{band}  {band}\n"
    text = (row * len(values)) % tuple((np.round(values, 3) + 0.0).ravel().tolist())
    lines = text.replace(" 0.", "  .").replace("-0.", " -.").split("\n")
    ends = np.cumsum(counts).tolist()
    return [lines[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _carriers(constellation: Constellation, band: int) -> Array:
    slots = np.array(GLONASS_SLOTS if constellation.letter == "R" else [0] * constellation.satellites)
    return np.asarray(constellation.carrier_hz[band] + slots * constellation.slot_step_hz[band], dtype=np.float64)


def _header(session: Session) -> str:
    last = session.start + timedelta(seconds=(session.epochs - 1) * session.interval_s)
    x, y, z = session.position_m
    rows = [
        (f"{'3.04':>9}           {'OBSERVATION DATA':<20}{'M':<20}", "RINEX VERSION / TYPE"),
        (f"{'tripod stations':<20}{'simulated network':<20}{session.start:%Y%m%d %H%M%S} UTC", "PGM / RUN BY / DATE"),
        (session.site, "MARKER NAME"),
        ("GEODETIC", "MARKER TYPE"),
        (f"{'Automatic':<20}{'Simulated network'}", "OBSERVER / AGENCY"),
        (f"{'0000001':<20}{'SIMULATED':<20}{'1.0':<20}", "REC # / TYPE / VERS"),
        (f"{'0000001':<20}{'SIMULATED       NONE':<20}", "ANT # / TYPE"),
        (f"{x:14.4f}{y:14.4f}{z:14.4f}", "APPROX POSITION XYZ"),
        (f"{0:14.4f}{0:14.4f}{0:14.4f}", "ANTENNA: DELTA H/E/N"),
        *((_observation_types(each), "SYS / # / OBS TYPES") for each in CONSTELLATIONS),
        ("DBHZ", "SIGNAL STRENGTH UNIT"),
        (f"{session.interval_s:10.3f}", "INTERVAL"),
        (_header_time(session.start), "TIME OF FIRST OBS"),
        (_header_time(last), "TIME OF LAST OBS"),
        *((f"{each.letter} L{band}", "SYS / PHASE SHIFT") for each in CONSTELLATIONS for band in each.bands),
        *((row, "GLONASS SLOT / FRQ #") for row in _glonass_slots()),
        (" C1C    0.000 C1P    0.000 C2C    0.000 C2P    0.000", "GLONASS COD/PHS/BIS"),
        ("    18    18  1929     7", "LEAP SECONDS"),
        ("", "END OF HEADER"),
    ]
    return "\n".join(f"{content:<60}{label}" for content, label in rows)


def _observation_types(constellation: Constellation) -> str:
    types = [f"{what}{band}" for band in constellation.bands for what in "CLDS"]
    return f"{constellation.letter}  {len(types):3d} {' '.join(types)}"


def _header_time(moment: datetime) -> str:
    return f"{moment:  %Y    %m    %d    %H    %M}{moment.second:13.7f}     GPS"


def _glonass_slots() -> list[str]:
    slots = [f"R{number:02d} {slot:2d}" for number, slot in enumerate(GLONASS_SLOTS, start=1)]
    return [f"{'24' if at == 0 else '':>3} {' '.join(slots[at : at + 8])}" for at in range(0, len(slots), 8)]
