"""The lines that docs/operations.md gives for transparent mode, so that tests run what readers type."""

import re
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs/operations.md"
_SECTION = "## Clients' own addresses at the nodes\n"


def transparent_lines(*, ipv6: bool = False) -> tuple[str, str]:
    """For the balancer's host, which is 10.0.0.10 (fd00::10), and for every node."""
    section = _DOCS.read_text().partition(_SECTION)[2].partition("\n## ")[0]
    balancer, node = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    if not ipv6:
        return balancer, node
    balancer, node = (re.sub(r"^ip ", "ip -6 ", lines, flags=re.MULTILINE) for lines in (balancer, node))
    return balancer, node.replace("10.0.0.10", "fd00::10")
