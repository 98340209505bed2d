"""The stations of the simulated network: four-letter codes and where they stand."""

from typing import Final

import msgspec

from stations.orbit import earth_fixed
from stations.persona import Persona, persona_of

COUNTRY: Final = "DEU"

_TOWNS: Final = (
    *(("AACH", 50.78, 6.08), ("AUGS", 48.37, 10.90), ("BERL", 52.52, 13.40), ("BIEL", 52.02, 8.53)),
    *(("BONN", 50.73, 7.10), ("BREM", 53.08, 8.80), ("CELL", 52.62, 10.08), ("CHEM", 50.83, 12.92)),
    *(("COTT", 51.76, 14.33), ("DESS", 51.83, 12.24), ("DORT", 51.51, 7.47), ("DRES", 51.05, 13.74)),
    *(("ERFU", 50.98, 11.03), ("ESSE", 51.46, 7.01), ("FLEN", 54.78, 9.44), ("FRAN", 50.11, 8.68)),
    *(("FREI", 47.99, 7.85), ("FULD", 50.55, 9.68), ("GERA", 50.88, 12.08), ("GIES", 50.58, 8.68)),
    *(("GOET", 51.54, 9.92), ("HALL", 51.48, 11.97), ("HAMB", 53.55, 9.99), ("HANN", 52.37, 9.73)),
    *(("HEIL", 49.14, 9.22), ("INGO", 48.77, 11.43), ("JENA", 50.93, 11.59), ("KARL", 49.01, 8.40)),
    *(("KASS", 51.31, 9.48), ("KIEL", 54.32, 10.14), ("KOEL", 50.94, 6.96), ("KONS", 47.66, 9.18)),
    *(("LEIP", 51.34, 12.37), ("LUEB", 53.87, 10.69), ("MAGD", 52.12, 11.63), ("MAIN", 50.00, 8.27)),
    *(("MUEN", 48.14, 11.58), ("NUER", 49.45, 11.08), ("PASS", 48.57, 13.43), ("ROST", 54.09, 12.10)),
)


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver: its code, Earth-fixed position in metres, and how it pushes."""

    code: str
    position_m: tuple[float, float, float]
    persona: Persona


def station(index: int) -> Station:
    """Station number `index` (from 0). After the named ones come `T040`, `T041`, ... some kilometres beside them."""
    assert index < 1000, "four-letter codes end at T999"
    code, latitude_deg, longitude_deg = _TOWNS[index % len(_TOWNS)]
    round_trip = index // len(_TOWNS)
    return Station(
        code=code if round_trip == 0 else f"T{index:03d}",
        position_m=earth_fixed(latitude_deg + 0.05 * round_trip, longitude_deg, 60.0 + 7.0 * (index % 40)),
        persona=persona_of(index),
    )
