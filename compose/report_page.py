"""Writes a health report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from compose.findings import Finding, Observed, Severity, findings, verdict
from compose.mesh_picture import mesh_picture
from compose.quantities import shown_bytes, shown_seconds
from compose.report_rows import Table, certificate_table, node_table, pair_table, rate_table, warning_table

_STYLE: Final = """
:root{--paper:#f4f5f7;--card:#fff;--ink:#1c2430;--soft:#657084;--line:#e0e4ea;
--good:#1f8a4c;--warning:#b26a00;--critical:#c62838;--note:#3466b0;--tint:#00000008}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1b2129;--ink:#e6eaf0;--soft:#93a0b4;--line:#2c3542;
--good:#4cc47d;--warning:#f0ad4e;--critical:#ff6b78;--note:#7fb0ff;--tint:#ffffff08}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
header{display:flex;align-items:center;gap:18px;background:var(--card);border:1px solid var(--line);
border-left:8px solid var(--colour);border-radius:12px;padding:20px 24px;margin-bottom:18px}
header h1{margin:0;font-size:24px;line-height:1.25;color:var(--colour)}
header p{margin:4px 0 0;color:var(--soft)}
.GOOD{--colour:var(--good)}.NOTE{--colour:var(--note)}.WARNING{--colour:var(--warning)}.CRITICAL{--colour:var(--critical)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:18px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.tile b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 22px;margin-bottom:18px}
h2{margin:0 0 12px;font-size:16px}
ul{list-style:none;margin:0;padding:0}
li{border-left:4px solid var(--colour);background:var(--tint);border-radius:6px;padding:9px 14px;margin:8px 0}
li b{color:var(--colour);margin-right:6px}
li p{margin:2px 0 0;color:var(--soft);font-size:14px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:600;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);
white-space:nowrap}
td{padding:7px 12px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.bad{color:var(--critical);font-weight:600}
code{font:13px ui-monospace,Menlo,Consolas,monospace;background:var(--tint);padding:1px 5px;border-radius:4px}
.mesh{display:block;width:100%;margin:0 auto}
.mesh .arrow{fill:none;stroke:var(--k);stroke-width:2.5}
.mesh .label rect{fill:var(--card)}
.mesh text{fill:var(--ink);text-anchor:middle;font-size:14px;font-weight:600}
.mesh .label text{fill:var(--k)}
.mesh .small{font-size:11px;font-weight:400;fill:var(--soft)}
.mesh .label .small{fill:var(--k)}
.mesh .node circle{fill:var(--card);stroke:var(--k);stroke-width:3}
.mesh .good{--k:var(--good)}.mesh .warning{--k:var(--warning)}.mesh .critical{--k:var(--critical)}
.caption{color:var(--soft);font-size:13px;margin:6px 0 0;text-align:center}
@media print{body{background:#fff}section,.tile,header{break-inside:avoid}}
"""
_QUOTED: Final = re.compile(r"`([^`]*)`")
_CODE: Final = r"<code>\1</code>"
_BAD: Final = frozenset({"NO", "silent", "failed", "expired", "unreadable", "not yet valid"})


def report_page(seen: Observed) -> str:
    """The page."""
    found = findings(seen)
    severity, sentence = verdict(found)
    parts = [
        _header(seen, severity, sentence),
        _tiles(seen),
        _section("What to do", _list(found)) if found else "",
        _section("Replication", _picture(seen)) if seen.replicated else "",
        _section("Nodes", _table(node_table(seen))),
        _section("Between the nodes", _table(pair_table(seen))),
        _section("The last hour", _table(rate_table(seen))),
        _section("Certificates", _table(certificate_table(seen))),
        _section("Last warnings", _table(warning_table(seen))),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(seen.name)}: {escape(sentence)}</title><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _header(seen: Observed, severity: Severity, sentence: str) -> str:
    return (
        f'<header class="{severity.name}"><div><h1>{escape(sentence)}</h1>'
        f"<p>Cluster {escape(seen.name)}, {escape(seen.at)}</p></div></header>"
    )


def _tiles(seen: Observed) -> str:
    ready = sum(node.state.value == "ready" for node in seen.ftpnodes.values())
    peers = [peer for one in seen.replicators.values() for peer in one.peers]
    slowest = max((peer.canary.p99_s for peer in peers if peer.canary.p99_s is not None), default=None)
    owed = sum(each.size_bytes for one in seen.backlogs.values() for each in one.peers)
    entries = sum(each.entries for one in seen.backlogs.values() for each in one.peers)
    free = min((node.disk_free_bytes for node in seen.ftpnodes.values()), default=None)
    tiles = [
        (f"{ready} of {len(seen.nodes)}", "nodes ready"),
        (str(seen.balancer.sessions) if seen.balancer else "–", "sessions"),
        (str(max((one.files for one in seen.replicators.values()), default=0)), "files"),
        (f"{entries}", f"changes owed, {shown_bytes(owed)}"),
        (shown_seconds(slowest) or "–", "slowest way, 99 of 100"),
        (shown_bytes(free) if free is not None else "–", "free on the fullest disk"),
    ]
    inner = "".join(f'<div class="tile"><b>{escape(big)}</b><span>{escape(small)}</span></div>' for big, small in tiles)
    return f'<div class="tiles">{inner}</div>'


def _list(found: Iterable[Finding]) -> str:
    lines = (
        f'<li class="{each.severity.name}"><b>{escape(each.where)}</b>{escape(each.what)}'
        f"<p>{_QUOTED.sub(_CODE, escape(each.advice))}</p></li>"
        for each in found
    )
    return f"<ul>{''.join(lines)}</ul>"


def _picture(seen: Observed) -> str:
    caption = "on each arrow: how long a small file takes (median), and how many changes are owed"
    return f'{mesh_picture(seen.nodes, seen.replicators)}<p class="caption">{caption}</p>'


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inner}</section>"


def _table(table: Table) -> str:
    titles, rows = table
    if not rows:
        return '<p class="caption">nothing</p>'
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str) -> str:
    bad = value in _BAD or value.startswith("late,")
    return f'<td class="bad">{escape(value)}</td>' if bad else f"<td>{escape(value)}</td>"
