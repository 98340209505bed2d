"""Asks the replicators of all nodes at once for a document."""

import concurrent.futures
from typing import TypeVar

import msgspec

from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.command import token_or_exit
from cluster.settings import Settings

Document = TypeVar("Document", bound=msgspec.Struct)
TIMEOUT_S = 10.0


def from_replicators(
    settings: Settings, name: str, kind: type[Document], /, **query: str
) -> tuple[dict[str, Document], dict[str, str]]:
    """The document of every node that answers, and for the others why they do not."""
    token = token_or_exit(settings)

    def ask(node: str) -> Document:
        address = settings.nodes[node].replicator_management
        return get_document(address, name, kind, token=token, timeout_s=TIMEOUT_S, **query)

    found: dict[str, Document] = {}
    silent: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        asked = {node: pool.submit(ask, node) for node in settings.nodes}
        for node, answer in asked.items():
            try:
                found[node] = answer.result()
            except (UnreachableError, RefusedError) as error:
                silent[node] = str(error)
    return found, silent
