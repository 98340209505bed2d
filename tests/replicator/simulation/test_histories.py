"""Production's replicators live through random histories: alike in the end, nothing lost, nothing come back."""

import re

import pytest

from tests.replicator.simulation.history import history
from tests.replicator.simulation.world import run

pytestmark = pytest.mark.slow


def test_hundreds_of_random_histories_end_well(prove):
    status, said = prove("--histories", "300", "--processes", "2")
    assert status == 0, said
    assert "300 histories (seeds 0 to 299)" in said


def test_a_seed_tells_the_same_story_every_time(prove):
    seed = ("--seed", "183")
    assert prove(*seed) == prove(*seed)


def test_what_a_history_does_is_told_step_by_step(prove):
    status, said = prove("--seed", "1")
    assert status == 0
    assert re.search(r"n\d Written .*file [0-9a-f]{6}", said)


FOUND = {
    "the old name of a file that a program had renamed went, and its node, before it had told the new one": history(
        61, 3,
        (0.387, "upload", 0, "d/x", "local", 187, 0.62),
        (2.848, "local-rename", 2, "d/x", "b", 154, 0.081),
        (3.3777, "wipe", 2, "d/x", "quorum", 103, 1.494),
    ),
    "a copy was promised while the file moved with its folder, and the peer did not show its new name yet": history(
        220, 2,
        (0.3, "mkdir", 0, "d", "local", 1, 0.0),
        (0.6, "upload", 0, "d/x", "any-peer", 190, 0.27),
        (0.618, "rename", 0, "d", "a", 56, 1.411),
        (1.0, "upload", 0, "a/x", "any-peer", 190, 0.27),
        (1.0097, "rename", 0, "a", "d", 56, 1.411),
        (1.4, "upload", 0, "d/x", "any-peer", 190, 0.27),
        (1.41, "rename", 0, "d", "a", 56, 1.411),
        (1.8, "upload", 0, "a/x", "any-peer", 190, 0.27),
        (1.8104, "rename", 0, "a", "d", 56, 1.411),
        (2.2, "upload", 0, "d/x", "any-peer", 190, 0.27),
        (2.2124, "rename", 0, "d", "a", 56, 1.411),
        (2.6, "upload", 0, "a/x", "any-peer", 190, 0.27),
        (2.6138, "rename", 0, "a", "d", 56, 1.411),
        (3.0, "upload", 0, "d/x", "any-peer", 190, 0.27),
        (3.0174, "rename", 0, "d", "a", 56, 1.411),
    ),
    "a round of the scrub ended because another had looked into the same doubt": history(
        31009737, 4,
        (0.2704, "slow", 1, "d", "all", 143, 4.373),
        (0.3703, "cut", 2, "d", "0", 29, 6.168),
        (0.4602, "lie", 3, "d/y", "any-peer", 43, 7.246),
        (0.5501, "upload", 3, "a", "any-peer", 163, 7.876),
    ),
    "what a wiped node had stamped from the future, and a peer had believed, nobody believed any more": history(
        30015617, 2,
        (1.816, "clock", 0, "b", "quorum", 89, 4.866),
        (2.37, "power-cut", 0, "a", "any-peer", 109, 0.021),
        (3.555, "upload", 1, "d/x", "local", 107, 0.034),
        (4.125, "clock", 1, "d/x", "any-peer", 113, 0.007),
        (4.79, "repeat", 0, "d", "any-peer", 199, 0.225),
        (5.302, "wipe", 0, "a", "any-peer", 109, 0.238),
    ),
    "a connection of a former incarnation kept resetting how far the new one was heard": history(
        27, 3,
        (3.868, "upload", 2, "d/x", "any-peer", 175, 0.034),
        (5.164, "wipe", 1, "d/x", "all", 133, 0.158),
    ),
    "an unscanned file was unlinked for the folder of an upload": history(
        154, 3,
        (0.1358, "local-write", 2, "d", "any-peer", 174, 0.032),
        (0.2605, "upload", 2, "d/y", "quorum", 81, 0.037),
    ),
    "a file that was changed past the replicator was renamed under its old content id": history(
        193, 2,
        (0.249, "upload", 1, "d/y", "any-peer", 76, 1.288),
        (5.162, "local-write", 1, "d/y", "local", 43, 0.356),
        (5.409, "rename", 1, "d/y", "d/x", 199, 1.557),
    ),
    "a file that lost against a folder of the same name was kept nowhere": history(
        200, 2,
        (1.306, "power-cut", 0, "d", "local", 60, 0.01),
        (1.311, "upload", 1, "d/x", "quorum", 59, 0.755),
        (1.516, "upload", 0, "d", "local", 58, 1.962),
    ),
    "a file heard of while its folder was made was superseded by it, unseen": history(
        806, 3,
        (2.391, "upload", 2, "d/x", "any-peer", 154, 6.632),
        (2.393, "upload", 1, "d", "any-peer", 129, 0.04),
    ),
    "what lost on a path, and was heard of while a rename of it waited, was superseded by it, unseen": history(
        3, 3,
        (0.051, "cut", 2, "d", "1", 95, 5.165),
        (0.236, "slow", 0, "d", "all", 8, 0.893),
        (1.001, "disk-fails", 1, "b", "all", 168, 0.866),
        (1.493, "reset", 0, "d/x", "2", 106, 5.397),
        (2.394, "local-write", 0, "d/y", "local", 115, 3.421),
        (2.573, "local-write", 1, "a", "quorum", 134, 6.884),
        (3.245, "clock", 2, "d/x", "quorum", 14, 0.462),
        (3.805, "upload", 2, "d/y", "local", 58, 0.034),
        (4.468, "upload", 1, "d/y", "quorum", 66, 1.994),
        (5.208, "rename", 0, "d/y", "b", 1, 0.028),
    ),
    "a clock that ran ahead for a moment cut the node off for good": history(
        436, 3,
        (0.0129, "clock", 0, "a", "quorum", 83, 6.84),
        (0.0681, "upload", 0, "d/x", "all", 129, 1.135),
    ),
    "a clock that fell back must not make new versions of old ones": history(
        548, 5,
        (0.0177, "upload", 0, "d", "any-peer", 117, 0.134),
        (0.0753, "mtime", 4, "d", "local", 94, 0.005),
        (0.1422, "clock", 4, "d/x", "any-peer", 34, 2.076),
        (0.4664, "remove", 1, "d", "quorum", 176, 1.855),
    ),
    "a copy was promised that somebody had deleted on the peer's disk": history(
        436, 3,
        (0.0129, "clock", 0, "a", "quorum", 83, 6.84),
        (0.0681, "upload", 0, "d/x", "all", 129, 1.135),
        (0.3704, "local-delete", 0, "d/x", "quorum", 10, 0.031),
        (0.5608, "repeat", 2, "b", "all", 199, 0.032),
    ),
    "a removal that had to wait removed what was uploaded meanwhile": history(
        433, 3,
        (1.069, "power-cut", 2, "d", "any-peer", 156, 1.567),
        (2.592, "upload", 1, "d/x", "local", 143, 5.226),
        (3.829, "remove", 0, "d/x", "all", 172, 0.041),
        (4.515, "upload", 0, "d/x", "any-peer", 170, 0.262),
    ),
    "a rename that had to wait replaced what was uploaded meanwhile": history(
        1275, 3,
        (0.443, "crash-at-call", 2, "d/x", "all", 186, 0.037),
        (1.133, "upload", 0, "d/x", "local", 167, 1.476),
        (1.797, "upload", 1, "b", "all", 19, 0.241),
        (2.075, "reset", 1, "b", "0", 8, 1.95),
        (2.941, "power-cut", 0, "a", "any-peer", 38, 7.873),
        (5.033, "rename", 1, "b", "d/x", 84, 0.011),
        (5.166, "upload", 1, "d/x", "local", 65, 1.708),
    ),
    "the tombstone of a rename superseded what had come to the old name unseen": history(
        1166, 2,
        (0.346, "local-write", 1, "d/x", "all", 117, 0.011),
        (0.66, "slow", 1, "d/y", "any-peer", 52, 0.042),
        (4.689, "rename", 1, "d", "b", 194, 0.045),
        (5.44, "local-write", 0, "d/x", "local", 89, 0.016),
    ),
    "a file written between the look and the replacement was replaced unseen": history(
        806, 3,
        (2.115, "upload", 0, "a", "quorum", 148, 0.748),
        (2.391, "upload", 2, "d/x", "any-peer", 154, 6.632),
        (4.393, "rename", 0, "d/x", "a", 14, 0.423),
        (4.456, "upload", 2, "d/y", "any-peer", 94, 3.825),
        (4.481, "local-write", 0, "d/y", "quorum", 132, 0.734),
    ),
    "an old version came back as a new one after a crash between the disk and the index": history(
        1471, 5,
        (0.0358, "crash-at-call", 4, "a", "all", 95, 1.061),
        (0.111, "upload", 4, "d/y", "quorum", 158, 0.993),
        (0.2972, "stop", 2, "a", "any-peer", 191, 3.153),
        (0.367, "cut-one-way", 1, "d/y", "3", 137, 0.407),
        (0.3863, "upload", 1, "a", "quorum", 47, 1.577),
        (0.3907, "local-write", 1, "d", "all", 38, 0.132),
        (0.4162, "upload", 1, "a", "any-peer", 54, 7.677),
        (0.427, "upload", 1, "d", "any-peer", 30, 7.461),
        (0.4521, "crash-at-call", 3, "a", "all", 1, 0.02),
    ),
    "a rolled-back node gave the identity of an old change to a new one": history(
        1372, 2,
        (0.0082, "roll-back", 0, "d/x", "quorum", 143, 0.066),
        (0.0343, "upload", 0, "d", "local", 169, 4.63),
        (0.1075, "local-write", 0, "d", "all", 82, 0.039),
    ),
    "another time on an old version, found after a crash, outranked a newer upload": history(
        234, 5,
        (1.416, "upload", 2, "b", "all", 72, 0.196),
        (2.616, "crash-at-call", 4, "b", "quorum", 34, 3.164),
        (2.766, "mtime", 4, "b", "all", 80, 0.045),
        (5.918, "upload", 1, "b", "any-peer", 24, 1.728),
    ),
    "a file was acknowledged with two copies while another upload made a folder of it": history(
        100942, 4,
        (0.513, "kill", 0, "a", "all", 68, 0.842),
        (1.247, "slow", 1, "b", "all", 122, 0.388),
        (2.819, "crash-at-call", 0, "d/x", "any-peer", 4, 1.767),
        (3.324, "upload", 1, "d", "any-peer", 77, 1.709),
        (3.66, "local-write", 1, "b", "all", 12, 1.508),
        (5.178, "upload", 2, "b", "local", 19, 0.153),
        (5.186, "upload", 1, "d/x", "local", 122, 0.049),
    ),
    "a repeated upload counted a peer for which the file had lost against a folder": history(
        102529, 2,
        (0.393, "local-write", 1, "d/x", "quorum", 132, 0.033),
        (0.614, "clock", 1, "d/y", "any-peer", 43, 0.322),
        (0.914, "upload", 0, "d", "local", 145, 0.023),
        (1.235, "repeat", 0, "d/y", "all", 83, 4.491),
    ),
    "a peer was lost while its change was applied, and the half-known change became a new version": history(
        201900, 2,
        (0.057, "power-cut", 1, "d", "local", 158, 0.011),
        (0.0842, "upload", 1, "d/y", "all", 62, 0.483),
        (0.1441, "crash-at-call", 1, "d", "all", 69, 0.032),
        (0.2089, "mtime", 1, "d/y", "all", 17, 0.015),
        (0.2187, "kill", 1, "a", "quorum", 50, 6.871),
        (0.542, "rename", 1, "d/y", "d/x", 5, 0.325),
    ),
    "a folder that a scan found was taken for durable": history(
        1091, 2,
        (0.286, "crash-at-call", 0, "a", "any-peer", 123, 0.329),
        (0.359, "upload", 0, "a", "all", 36, 0.469),
        (0.532, "upload", 0, "d/x", "local", 183, 0.075),
        (1.104, "upload", 1, "d/x", "any-peer", 193, 0.767),
    ),
    "stamps from the future stayed, for a clock set right was not told on a standing connection": history(
        302316, 2,
        (0.846, "clock", 0, "a", "quorum", 59, 1.585),
        (2.732, "clock", 1, "a", "any-peer", 187, 0.029),
        (3.013, "kill", 0, "d", "any-peer", 78, 0.01),
        (5.036, "upload", 0, "d/x", "any-peer", 118, 0.147),
    ),
    "a rolled-back node was not found out, for hearing of the first path moved its sequence on": history(
        303555, 2,
        (0.265, "crash-at-call", 1, "a", "any-peer", 183, 0.312),
        (0.381, "roll-back", 0, "d", "any-peer", 107, 1.349),
        (1.229, "upload", 0, "a", "any-peer", 43, 1.948),
        (1.281, "upload", 0, "d/x", "any-peer", 29, 1.285),
        (4.109, "upload", 0, "d/x", "all", 104, 0.15),
    ),
    "an upload replaced what a program had just moved there, unseen": history(
        1001625, 2,
        (3.205, "upload", 0, "d/x", "all", 160, 3.71),
        (3.328, "crash-at-call", 1, "b", "any-peer", 22, 3.526),
        (4.598, "upload", 0, "d/y", "any-peer", 11, 2.548),
        (5.138, "local-rename", 0, "d/x", "d/y", 198, 2.484),
    ),
    "a version that a failing disk had half put there came back as a new one": history(
        1000126, 2,
        (0.0028, "disk-fails", 1, "d/y", "any-peer", 139, 0.883),
        (0.0837, "upload", 0, "d/y", "quorum", 194, 1.056),
        (0.1268, "upload", 0, "d/y", "local", 183, 0.045),
    ),
    "a time that a failing disk had half set outlived the removal of its file": history(
        1000047, 2,
        (0.269, "upload", 1, "a", "local", 159, 0.424),
        (2.301, "disk-fails", 0, "d/y", "any-peer", 63, 5.648),
        (2.357, "upload", 1, "d/x", "quorum", 148, 0.291),
        (3.044, "mtime", 0, "d/x", "all", 144, 5.89),
        (4.24, "remove", 1, "d/x", "local", 61, 1.098),
    ),
    "a rolled-back node was not found out, for it had given as many sequences anew as it had forgotten": history(
        1005106, 2,
        (0.0874, "roll-back", 0, "d/x", "all", 72, 0.329),
        (0.3522, "upload", 0, "b", "any-peer", 63, 7.286),
        (0.4025, "cut", 1, "d", "0", 157, 6.06),
        (0.4392, "local-write", 0, "d", "all", 199, 3.028),
    ),
    "a removal that waited for an upload removed it": history(
        2002341, 4,
        (2.872, "upload", 1, "a", "any-peer", 138, 0.587),
        (3.597, "slow", 0, "d/y", "any-peer", 164, 1.501),
        (4.066, "upload", 0, "a", "local", 183, 6.949),
        (5.113, "remove", 0, "a", "any-peer", 128, 3.783),
    ),
    "a file that had rotted was put back from its second name, which a power cut had left in staging": history(
        3000284, 2,
        (2.134, "upload", 0, "d/y", "all", 109, 0.033),
        (2.347, "power-cut", 1, "d", "any-peer", 55, 0.031),
        (2.773, "rot", 1, "d/y", "all", 163, 0.017),
    ),
    "what had rotted was a new version after its second name in staging had been unlinked at a restart": history(
        3000284, 2,
        (2.134, "upload", 0, "d/y", "all", 109, 0.033),
        (2.347, "power-cut", 1, "d", "any-peer", 55, 0.031),
        (2.773, "rot", 1, "d/y", "all", 163, 0.017),
        (5.028, "kill", 1, "d", "any-peer", 96, 5.054),
    ),
    "what had rotted after an upload over it failed was a new version, for it had got a second name": history(
        4000073, 3,
        (0.591, "power-cut", 1, "a", "any-peer", 137, 1.396),
        (0.827, "upload", 2, "b", "any-peer", 161, 0.35),
        (1.104, "upload", 0, "b", "quorum", 127, 0.023),
        (1.35, "cut-one-way", 1, "a", "0", 27, 1.656),
        (2.027, "disk-fails", 2, "d/y", "any-peer", 80, 7.255),
        (2.461, "upload", 2, "d/x", "local", 150, 0.393),
        (3.048, "upload", 1, "a", "any-peer", 140, 5.961),
        (3.174, "reset", 0, "d/y", "1", 188, 1.41),
        (3.959, "upload", 1, "d/y", "local", 188, 0.031),
        (4.171, "upload", 2, "a", "quorum", 101, 0.031),
        (5.636, "rot", 2, "a", "all", 81, 1.424),
    ),
    "content that lost was taken for kept, though the disk had failed while it was put into the store": history(
        50001377, 2,
        (0.0094, "power-cut", 1, "d", "any-peer", 52, 0.011),
        (0.0535, "local-write", 1, "a", "local", 127, 0.357),
        (0.1063, "upload", 0, "d/x", "local", 194, 0.034),
        (0.113, "upload", 0, "a", "any-peer", 119, 0.153),
        (0.1934, "repeat", 0, "d/y", "local", 186, 6.277),
        (0.295, "upload", 1, "d", "any-peer", 8, 0.471),
        (0.302, "upload", 0, "d", "all", 7, 2.707),
        (0.3093, "disk-fails", 0, "a", "all", 156, 0.031),
    ),
    "a removal that a failing disk had made was known before it was durable, and a power cut undid it": history(
        36020090, 5,
        (0.0349, "upload", 2, "b", "all", 188, 6.366),
        (0.0858, "disk-fails", 2, "d", "quorum", 78, 0.278),
        (0.0942, "upload", 0, "d/y", "local", 158, 2.625),
        (0.115, "upload", 4, "b", "any-peer", 53, 0.164),
        (0.2665, "remove", 3, "d/y", "quorum", 197, 7.68),
        (0.3546, "power-cut", 2, "d/x", "all", 85, 1.009),
        shape="ring",
    ),
    "a node that had come in just before a deletion it missed was forgotten brought the file back": history(
        20013019, 2,
        (1.132, "power-cut", 1, "a", "any-peer", 6, 0.009),
        (3.495, "local-write", 1, "b", "local", 2, 0.42),
        (5.219, "remove", 0, "b", "any-peer", 2, 5.863),
        (5.691, "away", 1, "d", "quorum", 194, 1.112),
    ),
    "what had rotted was a new version after a crash had left it with its second name alone": history(
        20016246, 3,
        (4.249, "upload", 0, "b", "local", 196, 0.011),
        (4.395, "rot", 1, "b", "local", 147, 0.257),
        (4.787, "crash-at-call", 1, "b", "quorum", 70, 7.602),
        (5.21, "upload", 0, "b", "local", 157, 0.003),
    ),
    "what had rotted was a new version after a power cut had brought its name among the versions back": history(
        30005024, 2,
        (0.168, "upload", 1, "d/x", "any-peer", 51, 0.104),
        (0.387, "local-rename", 0, "d/x", "b", 71, 0.066),
        (0.618, "rot", 1, "d/x", "quorum", 65, 0.176),
        (2.78, "power-cut", 1, "b", "quorum", 154, 0.038),
    ),
    "all waited for content that a conflict store had, but only an index that was lost had listed": history(
        31070078, 5,
        (0.0171, "crash-at-call", 3, "a", "local", 154, 0.045),
        (0.1063, "upload", 4, "d", "any-peer", 27, 0.027),
        (0.1575, "local-write", 3, "b", "all", 30, 5.735),
        (0.1674, "stop", 3, "d", "all", 145, 0.011),
        (0.2827, "crash-at-call", 2, "d", "local", 174, 0.259),
        (0.2835, "clone", 0, "d/x", "quorum", 67, 0.175),
        (0.2861, "local-rename", 2, "d", "b", 133, 0.048),
        (0.4196, "power-cut", 1, "d", "quorum", 19, 6.91),
        (0.4385, "crash-at-call", 4, "d/x", "local", 199, 0.196),
        (0.5046, "upload", 4, "d", "any-peer", 8, 0.08),
        (0.5358, "clone", 3, "a", "quorum", 79, 0.043),
        shape="ring",
    ),
    "what had rotted was a new version after a crash had cut off another time that it was given": history(
        32001684, 4,
        (0.151, "upload", 2, "d", "local", 16, 1.072),
        (1.353, "rot", 2, "d", "local", 153, 7.091),
        (2.448, "upload", 2, "d/y", "local", 182, 0.241),
        (2.65, "crash-at-call", 2, "b", "any-peer", 44, 0.017),
        (3.0, "mtime", 0, "d", "quorum", 27, 0.82),
    ),
}  # fmt: skip
"""Bugs of production code that the simulation found; each is mended."""


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what):
    run(FOUND[what])


def test_what_was_uploaded_again_to_a_failing_disk_may_be_there():
    run(
        history(
            300699, 2,
            (0.308, "upload", 1, "a", "any-peer", 149, 1.828),
            (1.143, "remove", 0, "a", "local", 23, 0.255),
            (3.508, "stop", 1, "d/y", "any-peer", 136, 0.011),
            (3.806, "local-write", 0, "b", "quorum", 3, 0.608),
            (5.414, "disk-fails", 1, "b", "any-peer", 9, 4.24),
            (5.621, "repeat", 1, "d", "quorum", 129, 0.035),
        )
    )  # fmt: skip


def test_what_a_program_moves_back_after_a_rename_away_has_not_come_back_by_itself():
    run(
        history(
            203370, 3,
            (1.251, "upload", 1, "d/y", "any-peer", 46, 1.221),
            (3.11, "upload", 2, "b", "quorum", 112, 0.034),
            (3.152, "rename", 2, "b", "d/y", 161, 0.196),
            (5.13, "local-rename", 2, "d/y", "b", 15, 6.35),
        )
    )  # fmt: skip


def test_an_upload_that_failed_after_its_rename_may_have_replaced_what_came_meanwhile():
    run(
        history(
            2001499, 2,
            (0.0458, "local-write", 0, "a", "local", 154, 0.483),
            (0.0619, "disk-fails", 1, "d/y", "any-peer", 196, 5.621),
            (0.1376, "mkdir", 1, "b", "local", 9, 5.457),
            (0.1409, "cut", 0, "d", "1", 70, 1.623),
            (0.212, "local-write", 1, "a", "quorum", 14, 0.062),
            (0.2378, "upload", 1, "d", "all", 100, 0.048),
            (0.3627, "upload", 1, "d", "any-peer", 109, 0.452),
            (0.3855, "repeat", 0, "d/y", "all", 136, 4.478),
            (0.4536, "repeat", 0, "d", "quorum", 148, 0.187),
            (0.5676, "upload", 0, "d/x", "any-peer", 73, 0.018),
        )
    )  # fmt: skip


def test_what_a_node_that_was_down_had_taken_in_meanwhile_has_not_come_back_by_itself():
    run(
        history(
            200, 2,
            (1.306, "power-cut", 0, "d", "local", 60, 0.01),
            (1.311, "upload", 1, "d/x", "quorum", 59, 0.755),
            (4.649, "repeat", 0, "b", "local", 57, 0.029),
            (4.853, "stop", 1, "d", "any-peer", 76, 0.1),
            (5.636, "rename", 0, "d", "b", 106, 0.085),
        )
    )  # fmt: skip


def test_a_node_that_was_taken_out_while_it_answered_promises_nothing():
    run(
        history(
            20001178, 3,
            (0.111, "upload", 2, "d/x", "local", 181, 5.005),
            (1.264, "upload", 2, "d", "all", 66, 0.496),
            (2.616, "slow", 2, "d", "any-peer", 62, 0.081),
            (4.427, "upload", 2, "d", "any-peer", 182, 0.033),
            (4.88, "upload", 1, "a", "all", 135, 0.031),
            (5.619, "leave", 2, "d/y", "local", 196, 6.672),
        )
    )  # fmt: skip


def test_a_kept_version_of_what_was_removed_is_no_copy_of_what_was_uploaded_again():
    run(
        history(
            20003688, 2,
            (0.323, "upload", 0, "d/x", "any-peer", 197, 0.003),
            (0.729, "remove", 1, "d/x", "quorum", 60, 1.452),
            (3.635, "crash-at-call", 1, "d/x", "local", 74, 0.109),
            (3.991, "roll-back", 0, "d/x", "quorum", 79, 1.775),
            (4.209, "repeat", 0, "d/y", "any-peer", 62, 0.044),
        )
    )  # fmt: skip
