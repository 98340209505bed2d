"""The simulation is worth its time: it finds every bug that is planted."""

from pathlib import Path

import pytest

from tests.replicator.simulation.planted import PLANTED, histories_until_found

pytestmark = pytest.mark.slow
DOCUMENT = Path(__file__).parents[3] / "docs/replication.md"
MOST = 1000


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.what)
def test_a_planted_bug_is_found(planted):
    assert histories_until_found(planted, MOST) is not None


def test_the_document_lists_the_bugs_that_are_planted():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| planted: ")]
    assert [row.split("|")[1].strip().removeprefix("planted: ") for row in rows] == [bug.what for bug in PLANTED]
