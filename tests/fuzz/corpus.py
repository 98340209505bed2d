"""The inputs that fuzzing kept: a file for each property, one input a line, in base64."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("corpus")


def read_corpus(name: str) -> list[bytes]:
    """What was kept for a property; nothing when it is new."""
    file = FOLDER / f"{name}.txt"
    return [base64.b64decode(line) for line in file.read_text().splitlines()] if file.exists() else []


def write_corpus(name: str, inputs: Iterable[bytes]) -> int:
    """Keep these, and no others; how many they are."""
    lines = sorted({base64.b64encode(data).decode() for data in inputs}, key=lambda line: (len(line), line))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return len(lines)
