"""What stations and application servers push, and when."""

import ftplib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stations.attempt import Client
from stations.corpus import Recording, owed_recordings, product_parcel, recordings_of_hour
from stations.journal import Role
from stations.network import Station, station
from stations.persona import Persona
from stations.pusher import Delivery, Pusher, Round
from stations.scene import Scene
from stations.upload import Parcel
from stations.walls import ways_out

STATION_ACCOUNT: Final = "station"
APPLICATION_ACCOUNT: Final = "lansurvey"
PUBLISHER: Final = Persona(name="publisher", naming="temporary", period="15M")
_MAX_DELAY_S: Final = 2.0
_DELAY_SHARE: Final = 0.2
"""A receiver's own delay after the hour closed: at most this share of the compressed hour."""


def run_station(scene: Scene, index: int, real_files: list[Path]) -> None:
    """Station `index` (from 0): pushes each closed hour, what it owed before, and `real_files` once."""
    here = station(index)
    homes = scene.settings.homes
    client = Client(
        who=here.code,
        role=Role.STATION,
        persona=here.persona,
        entrance=scene.entrance("ingest", STATION_ACCOUNT, index + 1),
        home=homes.station,
    )
    Pusher(scene, client, functools.partial(_probe, scene, homes.data)).run(_station_rounds(scene, here, real_files))


def run_application(scene: Scene, index: int) -> None:
    """Application server `index` (from 0): publishes four products an hour, evenly spread."""
    homes = scene.settings.homes
    client = Client(
        who=f"application-{index + 1}",
        role=Role.APPLICATION,
        persona=PUBLISHER,
        entrance=scene.entrance("ingest", APPLICATION_ACCOUNT, scene.settings.stations + index + 1),
        home=homes.data,
    )
    Pusher(scene, client, functools.partial(_probe, scene, homes.station)).run(_application_rounds(scene, index))


def application_source(index: int) -> Station:
    """The pretended receiver whose recordings application server `index` publishes."""
    return Station(code=f"AP{index:02d}", position_m=station(index).position_m, persona=PUBLISHER)


def _station_rounds(scene: Scene, here: Station, real_files: list[Path]) -> Iterator[Round]:
    settings = scene.settings
    delay_s = scene.chance(here.code).uniform(0, min(_MAX_DELAY_S, _DELAY_SHARE * settings.hour_s))
    yield Round(
        scene.started_s + delay_s,
        [_recorded(scene, each) for each in owed_recordings(here, settings.first_hour, settings.seed)]
        + [functools.partial(_real_parcel, path) for path in real_files],
    )
    hour = 0
    while True:
        recordings = recordings_of_hour(here, settings.hour(hour), settings.seed)
        yield Round(scene.started_s + hour * settings.hour_s + delay_s, [_recorded(scene, each) for each in recordings])
        hour += 1


def _application_rounds(scene: Scene, index: int) -> Iterator[Round]:
    settings, source = scene.settings, application_source(index)
    hour = 0
    while True:
        recordings = recordings_of_hour(source, settings.hour(hour), settings.seed)
        for number, recording in enumerate(recordings):
            due_s = scene.started_s + (hour + number / len(recordings)) * settings.hour_s
            yield Round(due_s, [functools.partial(_product, scene, recording)])
        hour += 1


def _recorded(scene: Scene, recording: Recording) -> Delivery:
    return functools.partial(scene.corpus.parcel, recording)


def _product(scene: Scene, recording: Recording) -> Parcel:
    return product_parcel(recording, scene.corpus.content(recording))


def _real_parcel(path: Path) -> Parcel:
    return Parcel(folder=("REAL",), name=path.name, content=path.read_bytes())


def _probe(scene: Scene, foreign: str, ftp: ftplib.FTP) -> list[str]:
    # A file that does exist there, when this process knows one: refusing what is absent proves little.
    known = (path for path in scene.journal.acknowledged() if path.startswith(f"{foreign}/"))
    return ways_out(ftp, (foreign,), next(known, f"{foreign}/x"))
