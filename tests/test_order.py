"""The order in which tests begin."""

from pathlib import Path

from tests.conftest import SLOWEST_FIRST


def test_the_files_that_begin_first_are_there() -> None:
    root = Path(__file__).parents[1]
    assert [file for file in SLOWEST_FIRST if not (root / file).is_file()] == []
    assert len(set(SLOWEST_FIRST)) == len(SLOWEST_FIRST)
