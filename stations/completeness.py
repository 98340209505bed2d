"""Judges whether an observation file holds as many epochs as its name promises.

Bytes and a name in, a judgement out. Size and decoding prove little: a Compact RINEX file cut exactly between two
epochs decodes without complaint, and two gzip members in a row decode as one file with no more than a Python warning.
Only the number of epochs tells.
"""

import re
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import hatanaka
import msgspec

from stations.rinex_name import FileName, parsed_name


class Verdict(StrEnum):
    """What the count of epochs says about a file."""

    COMPLETE = "complete"
    SHORT = "short"
    EXCESS = "excess"
    UNREADABLE = "unreadable"
    UNPROMISED = "unpromised"
    """The name promises no number of epochs: navigation data, raw formats, free names."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`epochs` counted of `expected`; `reason` says why a file is unreadable or not judged."""

    verdict: Verdict
    epochs: int = 0
    expected: int | None = None
    reason: str = ""


class Unreadable(Exception):  # noqa: N818 - a finding about a file
    """The bytes are no whole observation file; the message says why."""


_END_OF_HEADER: Final = "END OF HEADER"
_EPOCH_3: Final = re.compile(r"> \d{4}(?: [ \d]\d){4}[ \d.]{11}  (?P<flag>\d)(?P<count>[ \d]{3})")
_OBSERVED: Final = frozenset({"0", "1"})
"""Epoch flags of observations, 1 after a power failure; 2 to 6 are events (RINEX 3.04 table A3)."""
_PER_LINE_2: Final = {"satellites": 12, "observations": 5}


def judged(name: str, content: bytes) -> Judgement:
    """Whether the file `content` keeps what `name` (without folders) promises."""
    promise = parsed_name(name)
    if promise is None or not promise.observations:
        return Judgement(verdict=Verdict.UNPROMISED, reason="the name promises no observations")
    try:
        lines = _lines(content)
        epochs = counted_epochs(lines)
        expected = _expected(promise, lines)
    except Unreadable as finding:
        return Judgement(verdict=Verdict.UNREADABLE, reason=str(finding))
    if expected is None:
        return Judgement(
            verdict=Verdict.UNPROMISED, epochs=epochs, reason="neither name nor header says how many epochs"
        )
    verdict = Verdict.SHORT if epochs < expected else Verdict.EXCESS if epochs > expected else Verdict.COMPLETE
    return Judgement(verdict=verdict, epochs=epochs, expected=expected)


def epochs_in(content: bytes) -> int:
    """The whole epochs with observations in a RINEX 2 or 3 file, packed (gz, bz2, Z, zip, Hatanaka) or plain.

    Raises Unreadable.
    """
    return counted_epochs(_lines(content))


def counted_epochs(lines: list[str]) -> int:
    """The whole epochs with observations in the lines of a plain RINEX file; raises Unreadable."""
    body = next((number for number, line in enumerate(lines, 1) if line[60:].startswith(_END_OF_HEADER)), None)
    if body is None:
        raise Unreadable("the header does not end")
    if lines[0][20:21] != "O":
        raise Unreadable("not an observation file")
    version = lines[0][:9].strip()
    match version[:1]:
        case "3" | "4":
            return sum(_epochs_3(lines[body:]))
        case "2":
            return sum(_epochs_2(lines[body:], _observation_types_2(lines[:body])))
        case _:
            raise Unreadable(f"RINEX version {version!r} is not known")


def _lines(content: bytes) -> list[str]:
    if not content:
        raise Unreadable("empty")
    try:
        plain = hatanaka.decompress(content)
    except (hatanaka.HatanakaException, ValueError, EOFError, OSError, zlib.error) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise Unreadable(first_line or type(error).__name__) from error
    lines = plain.decode("ascii", errors="replace").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    if not lines:
        raise Unreadable("no whole line")
    return [line.rstrip("\r\n") for line in lines]


def _epochs_3(body: list[str]) -> Iterator[bool]:
    at = 0
    while at < len(body):
        head = _EPOCH_3.match(body[at])
        if head is None:
            at += 1
            continue
        at += 1 + int(head["count"])
        # A last epoch without all its satellites is where the file was cut.
        yield head["flag"] in _OBSERVED and at <= len(body)


def _epochs_2(body: list[str], types: int) -> Iterator[bool]:
    at = 0
    while at < len(body):
        flag, field = body[at][28:29], body[at][29:32].strip()
        if not field.isdigit() or not flag.isdigit():
            raise Unreadable(f"no epoch where one should begin: {body[at][:40]!r}")
        count = int(field)
        if flag in _OBSERVED:
            more_satellites = max(0, -(-count // _PER_LINE_2["satellites"]) - 1)
            at += 1 + more_satellites + count * -(-types // _PER_LINE_2["observations"])
            yield at <= len(body)
        else:
            at += 1 + count


def _observation_types_2(header: list[str]) -> int:
    for line in header:
        if line[60:].startswith("# / TYPES OF OBSERV") and line[:6].strip().isdigit():
            return int(line[:6])
    raise Unreadable("the header does not list the observation types")


def _expected(promise: FileName, lines: list[str]) -> int | None:
    interval_s = promise.interval_s or _header_interval_s(lines)
    return round(promise.period_s / interval_s) if promise.period_s and interval_s else None


def _header_interval_s(lines: list[str]) -> float | None:
    """RINEX 2 names say no interval; the header may."""
    for line in lines:
        if line[60:].startswith("INTERVAL"):
            try:
                return float(line[:10]) or None
            except ValueError as error:
                raise Unreadable(f"INTERVAL is no number: {line[:10]!r}") from error
        if line[60:].startswith(_END_OF_HEADER):
            break
    return None
