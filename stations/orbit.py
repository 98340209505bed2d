"""Where navigation satellites stand: circular orbits, enough for plausible elevations, ranges and Doppler.

Positions are Earth-fixed metres, times GPS seconds since 1980-01-06. Radii, inclinations and planes are those of the
real constellations; no perturbations, no eccentricity.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRAVITY_M3_S2: Final = 3.986004418e14
EARTH_RATE_RAD_S: Final = 7.2921151467e-5
EARTH_RADIUS_M: Final = 6378137.0
FLATTENING: Final = 1 / 298.257223563


class Constellation(msgspec.Struct, frozen=True, kw_only=True):
    """One navigation system's ring of satellites; two carriers each, in Hz."""

    letter: str
    satellites: int
    planes: int
    radius_m: float
    inclination_deg: float
    bands: tuple[str, str]
    carrier_hz: tuple[float, float]
    slot_step_hz: tuple[float, float] = (0.0, 0.0)


CONSTELLATIONS: Final = (
    Constellation(
        letter="G",
        satellites=30,
        planes=6,
        radius_m=26_560e3,
        inclination_deg=55.0,
        bands=("1C", "2W"),
        carrier_hz=(1575.42e6, 1227.60e6),
    ),
    Constellation(
        letter="R",
        satellites=24,
        planes=3,
        radius_m=25_508e3,
        inclination_deg=64.8,
        bands=("1C", "2C"),
        carrier_hz=(1602.0e6, 1246.0e6),
        slot_step_hz=(0.5625e6, 0.4375e6),
    ),
    Constellation(
        letter="E",
        satellites=24,
        planes=3,
        radius_m=29_600e3,
        inclination_deg=56.0,
        bands=("1C", "5Q"),
        carrier_hz=(1575.42e6, 1176.45e6),
    ),
    Constellation(
        letter="C",
        satellites=24,
        planes=3,
        radius_m=27_906e3,
        inclination_deg=55.0,
        bands=("2I", "6I"),
        carrier_hz=(1561.098e6, 1268.52e6),
    ),
)

GLONASS_SLOTS: Final = (1, -4, 5, 6, 1, -4, 5, 6, -2, -7, 0, -1, -2, -7, 0, -1, 4, -3, 3, 2, 4, -3, 3, 2)
"""Frequency number of R01..R24: two satellites on opposite sides of the Earth share one."""


def satellite_positions(constellation: Constellation, gps_s: Array) -> Array:
    """Earth-fixed positions in metres, shaped (times, satellites, 3)."""
    index = np.arange(constellation.satellites)
    plane, place = index % constellation.planes, index // constellation.planes
    in_plane = constellation.satellites / constellation.planes
    node = 2 * np.pi * plane / constellation.planes + ord(constellation.letter)
    phase = 2 * np.pi * (place / in_plane + plane / constellation.satellites)
    inclination = np.radians(constellation.inclination_deg)
    rate = np.sqrt(GRAVITY_M3_S2 / constellation.radius_m**3)
    along = rate * gps_s[:, None] + phase[None, :]
    lon_of_node = node[None, :] - EARTH_RATE_RAD_S * gps_s[:, None]
    x, y = np.cos(along), np.sin(along)
    return constellation.radius_m * np.stack(
        (
            x * np.cos(lon_of_node) - y * np.cos(inclination) * np.sin(lon_of_node),
            x * np.sin(lon_of_node) + y * np.cos(inclination) * np.cos(lon_of_node),
            y * np.sin(inclination),
        ),
        axis=-1,
    )


def ranges(positions: Array, station: Array) -> Array:
    """Distances in metres from `station` (Earth-fixed) to each of `positions`."""
    return np.asarray(np.sqrt(((positions - station) ** 2).sum(axis=-1)), dtype=np.float64)


def elevations(positions: Array, station: Array) -> Array:
    """Angles above the horizon in radians, the vertical taken as geocentric."""
    up = station / np.sqrt((station**2).sum())
    return np.asarray(np.arcsin((positions - station) @ up / ranges(positions, station)), dtype=np.float64)


def earth_fixed(latitude_deg: float, longitude_deg: float, height_m: float) -> tuple[float, float, float]:
    """WGS 84 latitude, longitude and height as Earth-fixed metres."""
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    squared = FLATTENING * (2 - FLATTENING)
    normal = EARTH_RADIUS_M / np.sqrt(1 - squared * np.sin(lat) ** 2)
    return (
        float((normal + height_m) * np.cos(lat) * np.cos(lon)),
        float((normal + height_m) * np.cos(lat) * np.sin(lon)),
        float((normal * (1 - squared) + height_m) * np.sin(lat)),
    )
