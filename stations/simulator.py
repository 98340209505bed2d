"""Runs a simulation: prepares the files, starts one thread an actor, ends when time is over or it is told to."""

import functools
import itertools
import math
import ssl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cluster.log import logger
from stations.corpus import Corpus, Recording, owed_recordings, recordings_of_hour
from stations.customer import Customer
from stations.idler import Idler
from stations.network import station
from stations.pushing_actors import application_source, run_application, run_station
from stations.rinex_name import parsed_name
from stations.scene import Scene, Settings
from stations.servicedesk import ServiceDesk

_PROGRESS_EVERY: Final = 50

log = logger(__name__)


def desk_context(ca: Path) -> ssl.SSLContext:
    """Trusts the cluster's CA alone. Names are not checked: devices and people here dial numbers."""
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    return context


def gnss_files(folder: Path | None) -> list[Path]:
    """The files in `folder` whose names follow a GNSS convention."""
    return [] if folder is None else sorted(path for path in folder.iterdir() if parsed_name(path.name))


def prepare(settings: Settings, corpus: Corpus) -> None:
    """Make the files that this run will push; of a long run the first hours, the rest is made as its time comes."""
    corpus.prepare(_recordings(settings), _say_progress)


def simulate(scene: Scene, files: list[Path], context: ssl.SSLContext | None) -> None:
    """Run all actors until `settings.seconds` are over (0: until `scene.stop` is set) and nothing is owed any more.

    What an actor raises is a mistake in this program: it ends the simulation and is raised here.
    """
    actors = _actors(scene, files, context)
    with ThreadPoolExecutor(max_workers=max(1, len(actors))) as pool:
        running = [pool.submit(actor) for actor in actors]
        for future in running:
            future.add_done_callback(lambda done: _stop_when_broken(scene, done))
        scene.stop.wait(scene.settings.seconds or None)
        log.info("settling")
        scene.stop.set()
    for future in running:
        future.result()


def _actors(scene: Scene, files: list[Path], context: ssl.SSLContext | None) -> list[Callable[[], None]]:
    settings = scene.settings
    number = itertools.count(settings.stations + settings.applications + 1)
    share = max(1, settings.stations)
    actors: list[Callable[[], None]] = [
        functools.partial(run_station, scene, index, files[index::share]) for index in range(settings.stations)
    ]
    actors += [functools.partial(run_application, scene, index) for index in range(settings.applications)]
    actors += [Customer(scene, index, next(number)).run for index in range(settings.customers)]
    if settings.servicedesk:
        assert context is not None, "the service desk speaks TLS"
        actors += [ServiceDesk(scene, index, next(number), context).run for index in range(settings.servicedesk)]
    actors += [Idler(scene, index, next(number), context).run for index in range(settings.idlers)]
    return actors


def _recordings(settings: Settings) -> list[Recording]:
    ahead = settings.hours_ahead
    bursts = min(ahead, math.ceil(settings.seconds / settings.hour_s)) if settings.seconds else ahead
    hours = [settings.hour(number) for number in range(bursts)]
    stations = [station(index) for index in range(settings.stations)]
    sources = stations + [application_source(index) for index in range(settings.applications)]
    owed = [each for here in stations for each in owed_recordings(here, settings.first_hour, settings.seed)]
    return owed + [each for hour in hours for here in sources for each in recordings_of_hour(here, hour, settings.seed)]


def _say_progress(done: int, of: int) -> None:
    if done % _PROGRESS_EVERY == 0 or done == of:
        log.info("generating files", done=done, of=of)


def _stop_when_broken(scene: Scene, done: "Future[None]") -> None:
    if done.exception() is not None:
        scene.stop.set()
