"""Real clients meet at a VIP what they meet at a node: the same tests, both ways.

A conversation that would go otherwise at the VIP, and rightly so, would have to say so in the table of its client.
"""

import io

import pytest

from tests.cluster.both_ways.conversation import SEEDS, Conversation, Place, Way, hold
from tests.cluster.both_ways.curl import Curl
from tests.cluster.both_ways.entrances import Entrance, entrances
from tests.cluster.both_ways.ftplib_client import Ftplib
from tests.cluster.both_ways.lftp import Lftp
from tests.cluster.both_ways.wget import Wget
from tests.kit.clients import plain_client

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

CLIENTS = (Curl(), Lftp(), Ftplib(), Wget())
ALL = [(client, way) for client in CLIENTS for way in client.ways()]


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    with entrances(tmp_path_factory.mktemp("doors")) as doors:
        yield doors


def seed(entrance: Entrance, folder: str) -> None:
    with plain_client(entrance.address, entrance.port, "station", entrance.password) as client:
        for path in (folder, f"{folder}/sub"):
            client.mkd(path)
        for name, content in SEEDS.items():
            client.storbinary(f"STOR {folder}/{name}", io.BytesIO(content))


@pytest.fixture
def places(doors, tmp_path, request):
    """Of one way: the client's place at each door."""
    client, way = request.param

    def place(door: str) -> Place:
        entrance = doors[way.family, door]
        folder = f"{client.name}-{way}-at-{door}"
        seed(entrance, folder)
        here = tmp_path / door
        here.mkdir()
        return Place(here=here, entrance=entrance, folder=folder, way=way, password=entrance.password)

    return client, {door: place(door) for door in ("node", "VIP")}


def conversations_of(client, way: Way) -> dict[str, Conversation]:
    return {name: one for name, one in client.conversations.items() if one.needs_data or way.mode == "passive"}


@pytest.mark.parametrize("places", ALL, indirect=True, ids=[f"{client.name}-{way}" for client, way in ALL])
def test_a_client_meets_at_the_vip_what_it_meets_at_a_node(places):
    client, by_door = places
    met = {
        door: {name: hold(client, one, place) for name, one in conversations_of(client, place.way).items()}
        for door, place in by_door.items()
    }
    assert met["VIP"] == met["node"]


IN_CLEAR = Conversation(words=("-T", "little.rnx", "{url}/clear.rnx"), status=18, leaves={"clear.rnx": None})
"""So little that it is sent before it can be refused: else curl may meet a reset, and not read what it was told."""


@pytest.mark.parametrize(
    "places",
    [(Curl(), Way(family, "explicit", "active")) for family in ("IPv4", "IPv6")],
    indirect=True,
    ids=("IPv4", "IPv6"),
)
def test_an_upload_in_clear_where_tls_was_agreed_is_refused_alike(places):
    """curl 7.88 in active mode; see `Curl.ways`."""
    client, by_door = places
    for place in by_door.values():
        (place.here / "little.rnx").write_bytes(b"little" * 20)
    met = {door: hold(client, IN_CLEAR, place) for door, place in by_door.items()}
    assert met["VIP"] == met["node"]
    assert met["VIP"].said[-3:] == ("STOR", "150", "522")
