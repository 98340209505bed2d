from typing import BinaryIO

class FileProducer:
    def __init__(self, file: BinaryIO, type: str) -> None: ...
