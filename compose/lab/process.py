"""One program of the lab as a child process: started, killed, ended, and what it last said when it failed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

_LAST_BYTES = 4000


class PartFailedError(Exception):
    """A part ended by itself; the message holds its last words."""


class Process:
    """A program that runs until it is ended; its output is appended to `log`."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal does not reach it."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own programs, named by ourselves
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def copy(self) -> "Process":
        """The same program once more, not started."""
        return Process(self.name, self._arguments, self._log)

    @property
    def process_id(self) -> int | None:
        """None before it was started."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs or before it was started."""
        return None if self._child is None else self._child.poll()

    def demand_running(self) -> None:
        """PartFailedError when it has ended although nobody asked it to."""
        if not self.running:
            raise PartFailedError(f"{self.name} ended by itself with status {self.status}: {self.last_words()}")

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up, as in a power cut."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def pause(self) -> None:
        """SIGSTOP: it hangs, while the kernel still takes connections and bytes for it."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        if self._child is not None:
            os.killpg(self._child.pid, number)

    def ask_to_end(self) -> None:
        """SIGTERM, without waiting."""
        if self.running and self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def end(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `timeout_s`."""
        if self._child is None:
            return
        self.ask_to_end()
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_words(self) -> str:
        """The last non-empty line it wrote."""
        if not self._log.exists():
            return "(it wrote nothing)"
        text = self._log.read_bytes()[-_LAST_BYTES:].decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "(it wrote nothing)"
