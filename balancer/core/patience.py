"""Decides how long a node may take to answer before it is taken for lost: by what the command has it do.

Silence alone says little of a node that reads a large file. That it lives is known from the prober, which has the
session leave a node that is down whatever it was asked (`BackLost`); these deadlines only bound the wait.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, assert_never

from balancer.core.conversation import Rules

DIGESTS: Final = frozenset({"HASH", "XCRC", "XMD5", "XSHA256"})
SETS_TIMES: Final = frozenset({"MDTM", "MFMT", "MFF", "MFCT"})
CHANGES: Final = frozenset({"DELE", "MKD", "RMD", "RNTO", "SITE"})
"""Change the tree, so a lost node leaves the question whether it did."""


class Work(StrEnum):
    """What a node does before it answers."""

    ANSWER = "answer"
    PUBLISH = "publish"
    READ_FILE = "read-file"


WORK_OF: Final[Mapping[str, Work]] = {
    **dict.fromkeys(DIGESTS, Work.READ_FILE),
    **dict.fromkeys(CHANGES | SETS_TIMES, Work.PUBLISH),
}
"""A command that is not in here is answered at once."""


def patience_s(rules: Rules, work: Work) -> float:
    """How long a reply may take after this work."""
    match work:
        case Work.ANSWER:
            return rules.reply_timeout_s
        case Work.PUBLISH:
            return rules.reply_timeout_s + rules.publish_timeout_s
        case Work.READ_FILE:
            return rules.reply_timeout_s + rules.digest_timeout_s
        case _:
            assert_never(work)
