"""Decides which names are one name where they are compared as on Windows, and so cannot both be brought there.

Linux tells names apart by their bytes. NTFS and its clients do not by letter case, and drop dots and spaces at a name's
end; macOS does not by Unicode form either. Nothing is folded that none of them folds: `straße` and `strasse`, `ı` and
`i` are two names everywhere.
"""

import unicodedata
from typing import Final

_DROPPED_AT_THE_END: Final = ". "


def likeness(path: str) -> str:
    """What two paths have in common that are one there: canonical Unicode form, letter case, what ends each name.

    The path itself, the very same string, where it is already like that.
    """
    if path.isascii():
        folded = path.lower()
    else:
        folded = "".join(map(_folded, unicodedata.normalize("NFD", path)))
        folded = unicodedata.normalize("NFC", folded)
    if "./" in folded or " /" in folded or folded.endswith((".", " ")):
        folded = "/".join(name.rstrip(_DROPPED_AT_THE_END) or name for name in folded.split("/"))
    return path if folded == path else folded


def _folded(character: str) -> str:
    """A character without its case, where that is one character again (Unicode's simple case folding)."""
    if unicodedata.combining(character):
        return character
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character
