"""Reads the shell lines out of a Markdown page, so that a test can run what a reader would type."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+#.*$|^#.*$")


def shell_lines(page: Path) -> list[str]:
    """Every line of every `sh` block, without comments, in order."""
    lines = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    return [bare for line in lines if (bare := _COMMENT.sub("", line).strip())]
