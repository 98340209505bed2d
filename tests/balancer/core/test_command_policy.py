"""Which commands an account may say, and what a session answers to others."""

import msgspec
import pytest

from balancer.core.command_policy import ALWAYS, SETS, is_allowed
from balancer.core.features import FEATURES, common, names_in, without_foreign
from balancer.core.front_commands import AFTER_LOGIN, BEFORE_LOGIN
from balancer.core.session import PROCEDURES
from tests.kit.transcript import RULES, Transcript


@pytest.mark.parametrize(
    ("verb", "commands", "allowed"),
    [
        ("RETR", "all", True),
        ("STOR", "upload", True),
        ("RNTO", "upload", True),
        ("RETR", "upload", False),
        ("DELE", "upload", False),
        ("SITE", "upload", False),
        ("RETR", "download", True),
        ("STOR", "download", False),
        ("MKD", "download", False),
        ("STOR", ("STOR",), True),
        ("LIST", ("STOR",), False),
        ("QUIT", ("STOR",), True),
        ("PASV", (), True),
    ],
)
def test_what_a_set_allows(verb, commands, allowed) -> None:
    assert is_allowed(verb, commands) is allowed


def test_the_sets_name_commands_that_exist_and_nobody_is_kept_from_talking() -> None:
    known = {*PROCEDURES, *AFTER_LOGIN, *BEFORE_LOGIN, "PASS", "RNFR", "COMB"}
    for verbs in (ALWAYS, *SETS.values()):
        assert verbs <= known
    assert set(BEFORE_LOGIN) <= ALWAYS


def test_a_command_outside_its_set_never_reaches_a_node() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, accounts=frozenset({"station"}), commands={"station": "upload"}))
    talk.logs_in()
    talk.client("DELE a").client_gets("502 station may not use DELE here.")
    talk.client("XRMD a").client_gets("502 station may not use RMD here.")
    talk.client("RETR a").client_gets("502 station may not use RETR here.")
    talk.client("MKD d").node_gets("MKD d")


def test_feat_is_what_every_node_can_do_and_what_the_balancer_does_itself() -> None:
    assert common([]) == FEATURES
    assert "MFMT" in common([frozenset({"MFMT", "HASH"}), frozenset({"MFMT"})])
    assert not any(line.startswith("HASH") for line in common([frozenset({"MFMT", "HASH"}), frozenset({"MFMT"})]))
    own = {line.split()[0] for line in common([frozenset()])}
    assert own == {"AUTH", "CLNT", "EPRT", "EPSV", "HOST", "PBSZ", "PROT", "UTF8"}


def test_a_nodes_own_feat_loses_what_other_nodes_lack() -> None:
    lines = ("211-Features:", " MFMT", " hash SHA-256*", " MLST type*;size;", "211 End")
    assert names_in(lines) == {"MFMT", "HASH", "MLST"}
    assert without_foreign(lines, ("MFMT", "MLST type*;size*;")) == (lines[0], lines[1], lines[3], lines[4])
    talk = Transcript(msgspec.structs.replace(RULES, features=("MFMT",))).logs_in()
    talk.client("FEAT").node_gets("FEAT").node("211-F", " MFMT", " HASH x", "211 End")
    talk.client_gets("211-F", " MFMT", "211 End")
