"""Clocks that run ahead, apart or together: what they stamped from the future is put right, and stays what it is."""

import pytest

from tests.replicator.simulation.history import history
from tests.replicator.simulation.world import run

pytestmark = pytest.mark.slow


def test_histories_in_which_all_clocks_run_ahead_end_well(prove):
    status, said = prove("--clocks", "--histories", "100", "--processes", "2")
    assert status == 0, said


FOUND = {
    "what was replaced won, for its maker restamped it, and had refused the news for its stamp": history(
        31010542, 5,
        (0.261, "clock", 3, "d/x", "any-peer", 7, 0.446),
        (0.351, "local-write", 3, "b", "quorum", 84, 0.052),
        (0.41, "stop", 4, "a", "any-peer", 7, 0.603),
        (0.493, "clock", 2, "d/x", "any-peer", 149, 0.03),
        (4.463, "upload", 2, "b", "any-peer", 194, 1.318),
    ),
    "what was replaced won, for its maker's clock was put right last": history(
        31082879, 2,
        (1.261, "clock", 1, "d/y", "any-peer", 55, 1.713),
        (1.804, "clock", 0, "d", "local", 7, 4.704),
        (2.521, "crash-at-call", 1, "d/x", "local", 49, 0.248),
        (2.629, "upload", 0, "a", "quorum", 34, 0.293),
        (4.227, "upload", 1, "a", "local", 179, 0.049),
        (5.674, "upload", 0, "b", "all", 10, 5.57),
    ),
    "what a node that left had stamped from the future cut off for good who had believed it": history(
        122, 3,
        (0.0, "clock", 0, "", "", 103, 0.0),
        (0.606, "clock", 1, "a", "quorum", 191, 1.238),
        (1.971, "mkdir", 0, "d/y", "local", 157, 0.034),
        (4.782, "leave", 0, "a", "any-peer", 93, 1.825),
    ),
    "what a node had stamped from the future, before it joined anew, cut off for good who had believed it": history(
        411, 5,
        (0.0, "clock", 0, "", "", 49, 0.0),
        (0.0, "clock", 1, "", "", 175, 0.0),
        (0.0, "clock", 2, "", "", 97, 0.0),
        (0.0, "clock", 3, "", "", 151, 0.0),
        (0.0, "clock", 4, "", "", 109, 0.0),
        (0.0406, "upload", 2, "a", "all", 176, 0.005),
        (0.0424, "away", 4, "d", "any-peer", 193, 0.058),
        (0.0712, "clone", 2, "d/y", "quorum", 139, 0.031),
        (0.2722, "kill", 3, "d", "local", 183, 1.996),
        (0.3365, "power-cut", 1, "b", "quorum", 101, 0.079),
    ),
    "what a node had stamped from the future before its index was replaced kept it from joining": history(
        32008641, 5,
        (0.049, "clock", 0, "a", "any-peer", 137, 6.353),
        (0.1112, "upload", 0, "a", "any-peer", 170, 0.047),
        (0.4701, "clone", 0, "b", "all", 78, 0.315),
        (0.5687, "clock", 1, "a", "local", 175, 1.979),
        shape="chain",
        mirror=True,
    ),
}  # fmt: skip
"""Bugs of production code that the simulation found; each is mended."""


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what):
    run(FOUND[what])
