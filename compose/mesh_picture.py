"""Draws a cluster's replication as SVG: a circle of nodes, an arrow for each pair with how long a file takes on it."""

import math
from collections.abc import Mapping
from html import escape
from typing import Final

from cluster.health import PeerHealth, ReplicatorHealth
from compose.quantities import shown_seconds

_NODE: Final = 44.0
_MARGIN: Final = 75.0
_BEND: Final = 0.2
_LABEL_AT: Final = 0.4  # nearer to where the arrow starts, so that labels of crossing arrows stand apart
_Point = tuple[float, float]


def mesh_picture(nodes: tuple[str, ...], replicators: Mapping[str, ReplicatorHealth]) -> str:
    """An <svg>; colours are those of the page's style: .good, .warning, .critical."""
    radius = 0.0 if len(nodes) == 1 else 170.0 if len(nodes) == 2 else 190.0 + 16.0 * max(0, len(nodes) - 4)
    places = {name: _place(number, len(nodes), radius) for number, name in enumerate(nodes)}
    top, bottom = min(y for _, y in places.values()) - _MARGIN, max(y for _, y in places.values()) + _MARGIN
    width, height = 2 * (radius + 1.4 * _MARGIN), bottom - top
    pairs = [
        (_Arrow(places[name], places[peer.peer]), peer)
        for name, one in replicators.items() for peer in one.peers if name in places and peer.peer in places
    ]  # fmt: skip
    drawn = [_arrow(arrow, peer) for arrow, peer in pairs] + [_label(arrow, peer) for arrow, peer in pairs]
    circles = [_node(name, places[name], replicators.get(name)) for name in nodes]
    return (
        f'<svg class="mesh" style="max-width:{1.1 * width:.0f}px" role="img" aria-label="who replicates to whom" '
        f'viewBox="{-width / 2:.0f} {top:.0f} {width:.0f} {height:.0f}">'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 1 L9 5 L0 9 z" fill="context-stroke"/></marker></defs>'
        f"{''.join(drawn)}{''.join(circles)}</svg>"
    )


def _place(number: int, count: int, radius: float) -> _Point:
    turn = math.pi if count == 2 else -math.pi / 2
    angle = turn + 2 * math.pi * number / count
    return radius * math.cos(angle), radius * math.sin(angle)


class _Arrow:
    """A bent way from the rim of one node to that of another, always bent to the same side, and a point on it."""

    def __init__(self, start: _Point, end: _Point) -> None:
        along_x, along_y = end[0] - start[0], end[1] - start[1]
        self.bend = (start[0] + end[0]) / 2 + _BEND * along_y, (start[1] + end[1]) / 2 - _BEND * along_x
        self.start, self.end = _off(start, self.bend), _off(end, self.bend)

    def at(self, share: float) -> _Point:
        """Where one is after this share of the way."""
        a, b, c = (1 - share) ** 2, 2 * share * (1 - share), share**2
        (x1, y1), (x2, y2), (x3, y3) = self.start, self.bend, self.end
        return a * x1 + b * x2 + c * x3, a * y1 + b * y2 + c * y3


def _kind(peer: PeerHealth) -> str:
    return "critical" if not peer.connected else "warning" if peer.backlog_files or peer.canary.late_s else "good"


def _arrow(arrow: _Arrow, peer: PeerHealth) -> str:
    (x1, y1), (x2, y2), (x3, y3) = arrow.start, arrow.bend, arrow.end
    way = f"M{x1:.1f} {y1:.1f} Q{x2:.1f} {y2:.1f} {x3:.1f} {y3:.1f}"
    return f'<path class="arrow {_kind(peer)}" d="{way}" marker-end="url(#tip)"/>'


def _label(arrow: _Arrow, peer: PeerHealth) -> str:
    x, y = arrow.at(_LABEL_AT)
    speed = shown_seconds(peer.canary.p50_s) or "–"
    owed = f"{peer.backlog_files} owed" if peer.backlog_files else ""
    above, height = (-4, 34) if owed else (5, 20)
    return (
        f'<g class="label {_kind(peer)}"><rect x="{x - 34:.1f}" y="{y - height / 2:.1f}" width="68" height="{height}"/>'
        f'<text x="{x:.1f}" y="{y + above:.1f}">{escape(speed if peer.connected else "cut off")}</text>'
        f'<text class="small" x="{x:.1f}" y="{y + 11:.1f}">{escape(owed)}</text></g>'
    )


def _off(point: _Point, towards: _Point) -> _Point:
    """The point at the rim of a node that stands here, towards there."""
    along_x, along_y = towards[0] - point[0], towards[1] - point[1]
    length = math.hypot(along_x, along_y) or 1.0
    return point[0] + along_x / length * (_NODE + 4), point[1] + along_y / length * (_NODE + 4)


def _node(name: str, place: _Point, replicator: ReplicatorHealth | None) -> str:
    kind = "critical" if replicator is None or replicator.state.value == "failed" else "good"
    kind = "warning" if kind == "good" and (replicator is not None and replicator.notices) else kind
    state = "silent" if replicator is None else replicator.state.value
    files = "" if replicator is None else f"{replicator.files:,} files"
    x, y = place
    return (
        f'<g class="node {kind}"><circle cx="{x:.1f}" cy="{y:.1f}" r="{_NODE:.0f}"/>'
        f'<text class="name" x="{x:.1f}" y="{y - 6:.1f}">{escape(name[:12])}</text>'
        f'<text class="small" x="{x:.1f}" y="{y + 9:.1f}">{escape(state)}</text>'
        f'<text class="small" x="{x:.1f}" y="{y + 22:.1f}">{escape(files)}</text></g>'
    )
