"""One worker: `python -m ftpnode.workers ORDERS TALLY`, started by the supervisor with two inherited sockets."""

import signal
import socket
import sys

from cluster.frame import FrameReader
from cluster.problem import ConfigError
from ftpnode.operators import log_refusal
from ftpnode.process_log import start_process_log
from ftpnode.server import Server
from ftpnode.service import Service
from ftpnode.workers.order_desk import OrderDesk
from ftpnode.workers.orders import Begin, decode_order
from ftpnode.workers.shared_tally import SharedTally
from ftpnode.workers.tally_line import TallyLine

_READ_BYTES = 64 << 10


def main(orders: socket.socket, tally: socket.socket) -> int:
    """Serve until the supervisor is gone, or SIGTERM; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all: they are the supervisor's
        signal.signal(number, signal.SIG_IGN)
    reader = FrameReader()
    begin = _first_order(orders, reader)
    if begin is None:
        return 1
    start_process_log(begin.log_format, worker=begin.place.number)
    opened = {where: socket.socket(fileno=number) for where, number in begin.ports.items()}
    try:
        service = Service(begin.settings, begin.node, SharedTally(TallyLine(tally)), begin.place)
        server = Server(service, opened)
    except ConfigError as error:
        log_refusal(error)
        return 1
    OrderDesk(orders, server, reader)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    try:
        server.run()
    finally:
        server.close()
    return 0


def _first_order(orders: socket.socket, reader: FrameReader) -> Begin | None:
    """The order to begin; None when the supervisor ended before it gave one."""
    while data := orders.recv(_READ_BYTES):
        if payloads := reader.feed(data):
            order = decode_order(payloads[0]).order
            assert isinstance(order, Begin), "the first order says what to serve"
            assert len(payloads) == 1, "there is no second one before the worker is ready"
            return order
    return None


if __name__ == "__main__":
    sys.exit(main(*(socket.socket(fileno=int(number)) for number in sys.argv[1:3])))
