"""Shows a running lab: a live table on a terminal, one plain line every few seconds otherwise."""

from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

_LINE_EVERY_S: Final = 5.0
_STATE_STYLES: Final = {
    "ready": "green",
    "draining": "yellow",
    "joining": "yellow",
    "failed": "red",
    "down": "bold red",
}


class NodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One node at one moment."""

    name: str
    state: str
    sessions: int = 0
    files: int = 0
    backlog_files: int = 0
    note: str = ""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The lab at one moment."""

    at_s: float
    seconds: float
    phase: str
    sessions: int = 0
    acknowledged: int = 0
    upload_errors: int = 0
    on_every_node: int = 0
    downloads: int = 0
    download_errors: int = 0
    corrupt: int = 0
    rate: float = 0.0
    moved_sessions: int = 0
    repeated_uploads: int = 0
    continued_downloads: int = 0
    nodes: tuple[NodeLine, ...] = ()
    faults: tuple[str, ...] = ()


class View(Protocol):
    """Something that shows moments."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, moment: Moment) -> None:
        """Show this moment."""

    def say(self, text: str) -> None:
        """One line that stays."""


def view_for(console: Console) -> View:
    """The live table on a terminal, plain lines on anything else."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """One line at most every five seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_s = -_LINE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, moment: Moment) -> None:
        """Print the line when it is time."""
        if moment.at_s - self._last_s >= _LINE_EVERY_S:
            self._last_s = moment.at_s
            self.say(line(moment))

    def say(self, text: str) -> None:
        """Print it, whatever its length, on one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A table that is drawn anew in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, moment: Moment) -> None:
        """Draw it."""
        self._live.update(picture(moment))

    def say(self, text: str) -> None:
        """Print it above the table."""
        self._live.console.print(text, markup=False, highlight=False)


def line(moment: Moment) -> str:
    """A moment on one line."""
    nodes = ", ".join(f"{node.name} {node.state} (backlog {node.backlog_files})" for node in moment.nodes)
    return (
        f"{moment.at_s:5.0f} s  {moment.phase}: {moment.acknowledged} uploads safe ({moment.rate:.1f}/s), "
        f"{moment.on_every_node} on every node, {moment.upload_errors} cut; "
        f"{moment.downloads} downloads; {moment.sessions} sessions; {nodes}"
    )


def picture(moment: Moment) -> RenderableType:
    """A moment as a table."""
    head = Text.assemble(
        ("Tripod lab", "bold"),
        f"  {moment.phase}  {moment.at_s:.0f} of {moment.seconds:.0f} s  {moment.sessions} sessions",
    )
    clients = Table(box=None, pad_edge=False, header_style="dim")
    for name in (
        "uploads safe",
        "per second",
        "on every node",
        "cut",
        "downloads",
        "cut",
        "corrupt",
        "moved",
        "repeated",
    ):
        clients.add_column(name, justify="right")
    clients.add_row(
        str(moment.acknowledged),
        f"{moment.rate:.1f}",
        str(moment.on_every_node),
        str(moment.upload_errors),
        str(moment.downloads),
        str(moment.download_errors),
        Text(str(moment.corrupt), style="bold red" if moment.corrupt else ""),
        str(moment.moved_sessions),
        str(moment.repeated_uploads + moment.continued_downloads),
    )
    return Group(head, clients, _nodes(moment), *(Text(f"  {fault}", style="dim") for fault in moment.faults[-5:]))


def _nodes(moment: Moment) -> Table:
    nodes = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("node", "state", "sessions", "files", "backlog", ""):
        nodes.add_column(name, justify="right" if name in {"sessions", "files", "backlog"} else "left")
    for node in moment.nodes:
        state = Text(node.state, style=_STATE_STYLES.get(node.state, ""))
        nodes.add_row(node.name, state, str(node.sessions), str(node.files), str(node.backlog_files), node.note)
    return nodes
