"""Reads what a GNSS file's name promises, and composes RINEX 3 long names.

Knows names only, never content. Patterns: RINEX 3.04 section 4 and RINEX 2.11 section 4 for the exchange formats;
the raw formats follow what each maker's manual or receivers show.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """The naming convention a file name follows."""

    RINEX3_OBSERVATION = "rnx3obs"
    RINEX3_NAVIGATION = "rnx3nav"
    RINEX2 = "rnx2"
    TRIMBLE = "trimble"
    LEICA = "leica"
    SEPTENTRIO = "sbf"
    TOPCON = "topcon"


class FileName(msgspec.Struct, frozen=True, kw_only=True):
    """What a name says; None where its convention does not say it.

    `start` is in the file's own time scale (GPS time for RINEX), carried as UTC. Leica and Topcon names have no year.
    """

    kind: Kind
    site: str
    start: datetime | None = None
    period_s: int | None = None
    interval_s: float | None = None
    observations: bool = False
    hatanaka: bool = False
    compression: str | None = None


_COMPRESSION: Final = r"(?:\.(?P<cmp>gz|Z|bz2|zip))?"
_LONG_HEAD: Final = (
    r"(?P<site>[A-Z0-9]{4})(?P<mon>\d)(?P<rx>\d)(?P<cc>[A-Z]{3})_(?P<src>[RSU])"
    r"_(?P<yyyy>\d{4})(?P<doy>\d{3})(?P<hh>\d{2})(?P<mi>\d{2})_(?P<per>\d{2}[MHDYU])"
)
PATTERNS: Final = {
    Kind.RINEX3_OBSERVATION: re.compile(
        rf"{_LONG_HEAD}_(?P<frq>\d{{2}}[CZSMHDU])_(?P<dt>[GREJCISM]O)\.(?P<fmt>rnx|crx){_COMPRESSION}"
    ),
    Kind.RINEX3_NAVIGATION: re.compile(rf"{_LONG_HEAD}_(?P<dt>[GREJCISM]N)\.(?P<fmt>rnx){_COMPRESSION}"),
    Kind.RINEX2: re.compile(
        r"(?P<site>[A-Za-z0-9]{4})(?P<doy>\d{3})(?P<ses>[0-9a-xA-X])(?P<mi>00|15|30|45)?"
        rf"\.(?P<yy>\d{{2}})(?P<t>[odngmlhpqODNGMLHPQ]){_COMPRESSION}"
    ),
    Kind.TRIMBLE: re.compile(r"(?P<site>[A-Za-z0-9]{4})_{6}(?P<ymd>\d{8})(?P<hm>\d{4})(?P<ses>[A-Z])\.[Tt]0[0-4]"),
    Kind.LEICA: re.compile(r"(?P<site>[A-Za-z0-9]{4})(?P<doy>\d{3})(?P<ses>[0a-xA-X])(?P<mi>\d{2})?\.m(?P<n>\d{2})"),
    Kind.SEPTENTRIO: re.compile(
        r"(?P<site>[A-Za-z0-9_]{4})(?P<doy>\d{3})(?P<ses>[0a-x])(?P<mi>00|15|30|45)?\.(?P<yy>\d{2})_(?P<act>\.A)?"
    ),
    Kind.TOPCON: re.compile(r"(?P<site>.{1,20}?)(?P<mm>0[1-9]|1[0-2])(?P<dd>\d{2})(?P<h>[a-x])(?P<n>\d{3})?\.tps"),
}

_UNIT_S: Final = {"S": 1, "M": 60, "H": 3600, "D": 86400}
_DAY_S: Final = 86400
_HOUR_S: Final = 3600
_QUARTER_S: Final = 900


def parsed_name(name: str) -> FileName | None:
    """What `name` (without folders) promises, or None when it follows no known convention."""
    for kind, pattern in PATTERNS.items():
        if found := pattern.fullmatch(name):
            try:
                return _promise(kind, found.groupdict())
            except ValueError:  # day 000, hour 77: the shape of a name without its sense
                return None
    return None


def long_name(
    *,
    site: str,
    country: str,
    start: datetime,
    period: str,
    interval: str,
    extension: str = "crx.gz",
) -> str:
    """A RINEX 3 long name of mixed observations, e.g. `ABCD00DEU_R_20263261400_01H_30S_MO.crx.gz`.

    `period` and `interval` are written as in the name (`01H`, `30S`). Raises ValueError for what is no name.
    """
    name = f"{site}00{country}_R_{start:%Y%j%H%M}_{period}_{interval}_MO.{extension}"
    if parsed_name(name) is None:
        raise ValueError(f"{name} is not a RINEX 3 long name")
    return name


def _promise(kind: Kind, part: dict[str, str | None]) -> FileName:
    site = (part["site"] or "").upper()
    match kind:
        case Kind.RINEX3_OBSERVATION | Kind.RINEX3_NAVIGATION:
            observations = kind is Kind.RINEX3_OBSERVATION
            return FileName(
                kind=kind,
                site=site,
                start=_moment(f"{part['yyyy']} {part['doy']} {part['hh']} {part['mi']}", "%Y %j %H %M"),
                period_s=_seconds(part["per"]),
                interval_s=_seconds(part["frq"]) if observations else None,
                observations=observations,
                hatanaka=part["fmt"] == "crx",
                compression=part["cmp"],
            )
        case Kind.RINEX2:
            letter = (part["t"] or "").lower()
            start, period_s = _session(
                _moment(f"{_century(part['yy'])} {part['doy']}", "%Y %j"), part["ses"], part["mi"]
            )
            return FileName(
                kind=kind,
                site=site,
                start=start,
                period_s=period_s,
                observations=letter in "od",
                hatanaka=letter == "d",
                compression=part["cmp"],
            )
        case Kind.SEPTENTRIO:
            start, period_s = _session(
                _moment(f"{_century(part['yy'])} {part['doy']}", "%Y %j"), part["ses"], part["mi"]
            )
            return FileName(kind=kind, site=site, start=start, period_s=period_s)
        case Kind.TRIMBLE:
            start = _moment(f"{part['ymd']} {part['hm']}", "%Y%m%d %H%M")
            return FileName(kind=kind, site=site, start=start)
        case Kind.LEICA | Kind.TOPCON:
            return FileName(kind=kind, site=site)


def _session(day: datetime, session: str | None, minute: str | None) -> tuple[datetime, int | None]:
    """A letter a..x is an hour (a quarter with minutes), 0 the whole day; another digit says no length."""
    letter = (session or "0").lower()
    if letter.isdigit():
        return day, _DAY_S if letter == "0" else None
    start = day + timedelta(hours=ord(letter) - ord("a"), minutes=int(minute or 0))
    return start, _HOUR_S if minute is None else _QUARTER_S


def _seconds(field: str | None) -> int | None:
    """`30S` is 30, `01H` is 3600; a unit that is no duration (`00U`, `05Z` is Hertz) says nothing."""
    assert field is not None
    count, unit = int(field[:2]), _UNIT_S.get(field[2])
    return count * unit if unit and count else None


def _moment(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)


def _century(year: str | None) -> str:
    return f"19{year}" if int(year or 0) > 80 else f"20{year}"
