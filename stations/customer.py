"""A customer: looks anonymously what products there are, takes some, and checks each against the digits in its name."""

import re
from typing import Final

from stations.ftp_client import CLIENT_ERRORS, StationClient, leave
from stations.journal import Role
from stations.persona import Persona
from stations.reader import Expected, Reader
from stations.scene import Scene, path_under
from stations.walls import ways_to_write

ACCOUNT: Final = "anonymous"
PICKS: Final = 3
_PRODUCT: Final = re.compile(r"[A-Z]+_\d{7}_\d{4}_([0-9a-f]{16})\.crx\.gz")


def expected_of_product(name: str) -> Expected | None:
    """What a product's name says about its content; None for a name that is no product's."""
    found = _PRODUCT.fullmatch(name)
    return None if found is None else lambda content_id: content_id.startswith(found[1])


class Customer:
    """Customer `index` (from 0); visits again and again until the scene stops."""

    def __init__(self, scene: Scene, index: int, number: int) -> None:
        self._scene = scene
        self._chance = scene.chance(f"customer {index}")
        self._reader = Reader(scene, f"customer-{index + 1}", Role.CUSTOMER)
        self._entrance = scene.entrance("public", ACCOUNT, number)
        self._persona = Persona(name=ACCOUNT, extended=index % 2 == 1)
        self._tried_to_write = False

    def run(self) -> None:
        """Visit until the scene stops; a visit that fails is simply over."""
        while not self._scene.stop.wait(self._chance.uniform(*self._scene.settings.customer_pause_s)):
            self._visit()

    def _visit(self) -> None:
        try:
            ftp = StationClient(self._persona, self._entrance)
        except CLIENT_ERRORS as error:
            self._reader.cannot_log_in(error)
            return
        try:
            self._look_around(ftp)
        except CLIENT_ERRORS:
            # The reader has written down which transfer was cut; a cut probe is tried again at the next visit.
            ftp.close()
            return
        leave(ftp)

    def _look_around(self, ftp: StationClient) -> None:
        home = self._scene.settings.homes.data
        command = self._chance.choice(("NLST", "MLSD"))
        names = self._reader.names(ftp, "/", command, path=path_under(home, ""))
        products = [(name, expected) for name in sorted(names) if (expected := expected_of_product(name))]
        for name, expected in self._chance.sample(products, min(PICKS, len(products))):
            if self._scene.stop.is_set():
                return
            self._reader.read(ftp, f"/{name}", expected, path=path_under(home, name))
        if products and not self._tried_to_write:
            self._reader.violations(ways_to_write(ftp, products[0][0]))
            self._tried_to_write = True
