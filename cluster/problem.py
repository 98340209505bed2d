"""A mistake somebody can mend, as a value: where it is, what is wrong, what to do."""

import msgspec
from typing_extensions import override


class Problem(msgspec.Struct, frozen=True):
    """One mistake: `where` (a path in a file, a file name, a tree path), `what` is wrong, the `fix`."""

    where: str
    what: str
    fix: str

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.what} — {self.fix}"


class ConfigError(Exception):
    """The settings cannot be used; `problems` says why and what to do, one entry a mistake."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
