"""The service desk: over FTPS it lists everything, reads what was acknowledged, and keeps notes in its own folder."""

import ftplib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from stations.attempt import Client, attempt
from stations.customer import expected_of_product
from stations.ftp_client import CLIENT_ERRORS, DeskClient, leave
from stations.journal import Role, What
from stations.persona import Persona
from stations.reader import Reader
from stations.scene import Scene, path_under
from stations.upload import Parcel, UploadFailed

ACCOUNT: Final = "servicedesk"
FOLDER: Final = "Servicedesk"
PICKS: Final = 4
_CUT: Final[tuple[type[Exception], ...]] = (*CLIENT_ERRORS, UploadFailed)


class Note:
    """A note that must be removed. `surely_there`: it was acknowledged, and no deletion has been tried."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.surely_there = False


class ServiceDesk:
    """Desk `index` (from 0); works until the scene stops, then removes the notes that are left."""

    def __init__(self, scene: Scene, index: int, number: int, context: ssl.SSLContext) -> None:
        self._scene = scene
        self._context = context
        self._client = Client(
            who=f"servicedesk-{index + 1}",
            role=Role.SERVICEDESK,
            persona=Persona(name=ACCOUNT),
            entrance=scene.entrance("ingest", ACCOUNT, number),
            home=scene.settings.homes.servicedesk,
        )
        self._chance = scene.chance(self._client.who)
        self._reader = Reader(scene, self._client.who, self._client.role)
        self._notes: deque[Note] = deque()
        self._visits = 0

    def run(self) -> None:
        """Visit until the scene stops; a visit that fails is simply over."""
        while not self._scene.stop.wait(self._chance.uniform(*self._scene.settings.desk_pause_s)):
            self._visits += 1
            self._visit(self._work)
        for _ in range(3):
            if self._notes:
                self._visit(self._remove_notes)

    def _visit(self, work: Callable[[ftplib.FTP], None]) -> None:
        try:
            ftp = DeskClient(self._client.entrance, self._context)
        except CLIENT_ERRORS as error:
            self._reader.cannot_log_in(error)
            return
        try:
            work(ftp)
        except _CUT:
            # Written down where it happened.
            ftp.close()
            return
        leave(ftp)

    def _work(self, ftp: ftplib.FTP) -> None:
        homes = self._scene.settings.homes
        for folder in ("/", self._own_path(homes.station), self._own_path(homes.data)):
            self._reader.listing(ftp, folder, path=path_under(homes.servicedesk, folder.strip("/")) + "/")
        for path, content_id in self._picked():
            self._reader.read(ftp, self._own_path(path), content_id.__eq__, path=path)
        self._check_a_product(ftp)
        self._keep_note(ftp)
        self._remove_notes(ftp)

    def _picked(self) -> list[tuple[str, str]]:
        own = path_under(self._client.home, FOLDER, "")
        known = sorted(each for each in self._scene.journal.acknowledged().items() if not each[0].startswith(own))
        return self._chance.sample(known, min(PICKS, len(known)))

    def _check_a_product(self, ftp: ftplib.FTP) -> None:
        home = self._scene.settings.homes.data
        names = self._reader.names(ftp, self._own_path(home), "NLST", path=path_under(home, ""))
        products = [(name, expected) for name in sorted(names) if (expected := expected_of_product(name))]
        for name, expected in self._chance.sample(products, min(1, len(products))):
            path = path_under(home, name)
            self._reader.read(ftp, self._own_path(path), expected, path=path)

    def _keep_note(self, ftp: ftplib.FTP) -> None:
        who = self._client.who
        parcel = Parcel(
            folder=(FOLDER,),
            name=f"{who}-{self._visits:04d}.txt",
            content=f"{who}, visit {self._visits}: all seen.\n".encode(),
        )
        note = Note(path_under(self._client.home, FOLDER, parcel.name))
        self._notes.append(note)
        attempt(self._scene.journal, self._client, lambda: ftp, parcel)
        note.surely_there = True

    def _remove_notes(self, ftp: ftplib.FTP) -> None:
        while self._notes:
            self._remove(ftp, self._notes[0])
            self._notes.popleft()

    def _remove(self, ftp: ftplib.FTP, note: Note) -> None:
        surely_there, note.surely_there = note.surely_there, False
        self._write(What.DELETE_STARTED, path=note.path)
        try:
            reply = ftp.delete(self._own_path(note.path))
        except ftplib.error_perm as error:
            if surely_there:
                # Refused, or lost: it stays expected.
                self._write(What.DELETE_FAILED, path=note.path, error=str(error))
            else:
                self._write(What.DELETED, path=note.path, reply=str(error))
        except CLIENT_ERRORS as error:
            self._write(
                What.DELETE_FAILED, path=note.path, error=f"{type(error).__name__}: {error}", outcome_unknown=True
            )
            raise
        else:
            self._write(What.DELETED, path=note.path, reply=reply)

    def _own_path(self, path: str) -> str:
        """A path relative to the cluster's root, as this account sees it."""
        home = self._client.home
        return "/" + (path.removeprefix(f"{home}/") if home else path)

    def _write(self, event: What, **facts: object) -> None:
        self._scene.journal.write(self._client.who, self._client.role, event, **facts)
