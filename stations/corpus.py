"""Which files each client will push, and the cache that holds their bytes.

What a recording is called and contains follows from the seed alone, so a cache may be shared by runs and processes.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
import numpy as np

from cluster.content_id import content_id_of
from stations.network import COUNTRY, Station
from stations.observation_file import Session, hatanaka_gzip, observation_text
from stations.rinex_name import long_name
from stations.upload import Parcel

INTERVAL_S: Final = 30
PERIOD_S: Final = {"01H": 3600, "15M": 900}
_PROCESSES: Final = 2


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One file to come: its session, its name, and the seed of its noise."""

    session: Session
    name: str
    seed: int

    @property
    def folder(self) -> tuple[str, ...]:
        """Where the station puts it: `ABCD/2026/326`."""
        return (self.session.site, f"{self.session.start:%Y}", f"{self.session.start:%j}")


def recordings_of_hour(station: Station, hour: datetime, seed: int) -> list[Recording]:
    """What `station` closes during the hour that begins at `hour`: one file, or four of a quarter."""
    step_s = PERIOD_S[station.persona.period]
    return [
        _recording(station, hour + timedelta(seconds=offset_s), seed) for offset_s in range(0, PERIOD_S["01H"], step_s)
    ]


def owed_recordings(station: Station, first_hour: datetime, seed: int) -> list[Recording]:
    """What `station` could not push before `first_hour`, oldest first."""
    step = timedelta(seconds=PERIOD_S[station.persona.period])
    return [_recording(station, first_hour - step * back, seed) for back in range(station.persona.owed_files, 0, -1)]


def _recording(station: Station, start: datetime, seed: int) -> Recording:
    period = station.persona.period
    name = long_name(site=station.code, country=COUNTRY, start=start, period=period, interval=f"{INTERVAL_S}S")
    session = Session(
        site=station.code,
        position_m=station.position_m,
        start=start,
        period_s=PERIOD_S[period],
        interval_s=INTERVAL_S,
    )
    return Recording(session=session, name=name, seed=seed)


class Corpus:
    """The cache folder. Files appear in it whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, recordings: Iterable[Recording], progress: Callable[[int, int], None]) -> None:
        """Generate what is missing, two processes at a time; `progress` hears (files done, files to make)."""
        missing = [each for each in dict.fromkeys(recordings) if not self._path(each).exists()]
        if not missing:
            return
        # Spawned, not forked: the caller may have threads. Ctrl-C reaches all processes; this one decides.
        with ProcessPoolExecutor(
            _PROCESSES,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        ) as pool:
            made = [pool.submit(_make, each, self._path(each)) for each in missing]
            try:
                for done, future in enumerate(as_completed(made), start=1):
                    future.result()
                    progress(done, len(missing))
            finally:
                pool.shutdown(cancel_futures=True)

    def content(self, recording: Recording) -> bytes:
        """The bytes of `recording`, generated now if nobody did before."""
        path = self._path(recording)
        if not path.exists():
            _make(recording, path)
        return path.read_bytes()

    def parcel(self, recording: Recording) -> Parcel:
        """`recording` as a station pushes it."""
        return Parcel(folder=recording.folder, name=recording.name, content=self.content(recording))

    def _path(self, recording: Recording) -> Path:
        return self._folder / f"seed-{recording.seed}" / recording.name


def product_parcel(recording: Recording, content: bytes) -> Parcel:
    """`recording` as an application publishes it: its name carries the first 16 digits of the content id."""
    stamp = f"{recording.session.start:%Y%j_%H%M}"
    name = f"EPOCHS_{stamp}_{content_id_of(content)[:16]}.crx.gz"
    return Parcel(folder=(), name=name, content=content)


def _make(recording: Recording, path: Path) -> None:
    chance = np.random.default_rng([recording.seed, crc32(recording.name.encode())])
    content = hatanaka_gzip(observation_text(recording.session, chance))
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(f".{path.name}.{multiprocessing.current_process().pid}")
    growing.write_bytes(content)
    growing.replace(path)
