"""A tree in memory, for fake nodes."""

import hashlib


class Tree:
    """Files and folders that all fake nodes show."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = {"/"}
        self.canaries: dict[str, str] = {}
        """By content id the node that sent it."""

    def mlst(self, path: str) -> str | None:
        if path in self.folders:
            return "type=dir;modify=20260101000000;"
        if path in self.files:
            digest = hashlib.sha256(self.files[path]).digest()[0]
            return f"type=file;size={len(self.files[path])};modify=202601010000{digest % 60:02d};"
        return None
