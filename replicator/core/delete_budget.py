"""Decides whether deletions may go, or are a flood to be held back until an operator has looked at it."""

from typing import Final

from cluster.replication_settings import DeleteBudget

Spent = tuple[tuple[int, int], ...]
"""How many deletions went through, by the second (monotonic), oldest first."""

UNSPENT: Final[Spent] = ()


def allowance(budget: DeleteBudget, files: int) -> int:
    """How many deletions may go within a window that began with so many files."""
    return min(budget.files, max(budget.at_least, int(budget.share * files)))


def is_flood(budget: DeleteBudget | None, spent: Spent, asked: int, files: int) -> bool:
    """Whether `asked` more deletions exceed the budget, when `files` are there and `spent` (recent) have gone."""
    if budget is None or asked == 0:
        return False
    gone = sum(count for _, count in spent)
    return gone + asked > allowance(budget, files + gone)


def recent(spent: Spent, now_s: float, window_s: float) -> Spent:
    """What of it the window still covers."""
    return tuple((at_s, count) for at_s, count in spent if at_s > now_s - window_s)


def spending(spent: Spent, count: int, now_s: float) -> Spent:
    """The same after `count` more have gone; one entry a second, so it stays small."""
    second = int(now_s)
    if spent and spent[-1][0] == second:
        return (*spent[:-1], (second, spent[-1][1] + count))
    return (*spent, (second, count)) if count else spent
