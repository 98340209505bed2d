"""The data side of one session: where its data connection comes from, and the transfer that waits for it or uses it."""

from typing import TYPE_CHECKING

from cluster import clock
from ftpnode.core.data_address import DataAddress
from ftpnode.core.verdict import Ending
from ftpnode.pyftpdlib_door.data_connection import PlainDataConnection
from ftpnode.pyftpdlib_door.data_port import ActivePort, PassivePort

if TYPE_CHECKING:
    import socket

    from ftpnode.pyftpdlib_door.session import Session
    from ftpnode.transfer import Transfer


class DataSide:
    """At most one port, one data connection and one transfer at a time.

    The port and the connection are kept in pyftpdlib's own fields of the session, which closes them with itself.
    """

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._limits = session.service.limits
        self.transfer: Transfer | None = None
        self.began_s = 0.0
        self.active_address: DataAddress | None = None

    def listen(self) -> DataAddress:
        """Open a passive port; NoPortFreeError when the range is exhausted."""
        port = PassivePort(self._session, self._limits.passive_accept_s)
        self._session.set_port(port)
        return DataAddress(port.host, port.port)

    def begin(self, transfer: "Transfer") -> None:
        """Start a transfer as soon as there is a data connection."""
        session = self._session
        session.restart_at = 0
        self.transfer = transfer
        self.began_s = clock.monotonic_s()
        session.service.sessions.transfers += 1
        if session.is_gone:
            self.transfer_ended(Ending.CONTROL_GONE)
        elif session.data_channel is not None:
            session.reply(f"125 {transfer.opening}")
            transfer.start(session.data_channel)
        elif session.is_listening:
            session.reply(f"150 {transfer.opening}")
        elif self.active_address is not None:
            session.reply(f"150 {transfer.opening}")
            self._connect(self.active_address)
        else:
            self.transfer_ended(Ending.NOT_CONNECTED)

    def _connect(self, address: DataAddress) -> None:
        self.active_address = None
        port = ActivePort(self._session, address, self._limits.passive_accept_s)
        if self.transfer is not None and self._session.data_channel is None:  # neither failed nor succeeded at once
            self._session.set_port(port)

    def connected(self, sock: "socket.socket") -> None:
        """The data connection stands."""
        session = self._session
        session.set_port(None)
        if session.is_gone:
            sock.close()
            return
        connection = session.dtp_handler(sock, session)
        if not connection.connected:
            self.not_connected()
            return
        session.data_channel = connection
        if self.transfer is not None:
            self.transfer.start(connection)

    def not_connected(self) -> None:
        """No data connection came about."""
        self._session.set_port(None)
        self.transfer_ended(Ending.NOT_CONNECTED)

    def ended(self, connection: PlainDataConnection, ending: Ending) -> None:
        """A data connection was closed."""
        if self._session.is_gone or self._session.data_channel is connection:
            self._session.data_channel = None
            self.transfer_ended(ending)

    def cut(self, ending: Ending) -> None:
        """End the transfer that is under way, and whatever could become its data connection."""
        self.drop()
        if self._session.data_channel is not None:
            self._session.data_channel.cut(ending)
        else:
            self.transfer_ended(ending)

    def drop(self) -> None:
        """Close what waits for a data connection, and a connection that no transfer uses."""
        self.active_address = None
        self._session.close_port()
        if self.transfer is None and self._session.data_channel is not None:
            self._session.data_channel.cut(Ending.ABORTED)

    def transfer_ended(self, ending: Ending) -> None:
        """The transfer, if there is one, has ended."""
        transfer, self.transfer = self.transfer, None
        if transfer is not None:
            self._session.service.sessions.transfers -= 1
            transfer.ended(ending)
            self._session.transfer_over()
