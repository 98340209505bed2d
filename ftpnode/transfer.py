"""What a session knows of a transfer, whichever kind it is."""

from typing import Protocol

from ftpnode.core.verdict import Ending
from ftpnode.pyftpdlib_door.data_connection import DataConnection


class Transfer(Protocol):
    """A command that uses a data connection, from its 150 to its last reply."""

    opening: str
    """The text of the 125 or 150 reply."""

    def start(self, connection: DataConnection) -> None:
        """The data connection stands: move the data."""
        ...

    def ended(self, ending: Ending) -> None:
        """The data has ended; called exactly once, also without a start. Replies, now or later."""
        ...
