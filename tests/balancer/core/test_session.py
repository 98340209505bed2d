"""Conversations with the session's state machine: the hard rows of FTP through a balancer."""

import msgspec
import pytest

from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.conversation import Rules
from tests.balancer.core.test_transfers import passive
from tests.kit.transcript import RULES, Transcript


def test_the_balancer_greets_and_answers_before_any_node() -> None:
    talk = Transcript()
    talk.client("syst").client_gets("215 UNIX Type: L8")
    talk.client("NOOP").client_gets("200")
    talk.client("LIST").client_gets("530")
    talk.client("XYZZY").client_gets("500")
    talk.client("").client_gets("500")
    talk.client("QUIT").client_gets("221").does(a.EndSession("quit"))


def test_features_are_a_list_in_one_reply() -> None:
    talk = Transcript()
    talk.client("FEAT")
    action = talk._next()
    assert isinstance(action, a.SendFront)
    assert action.reply.lines[0] == "211-Features:"
    assert " AUTH TLS" in action.reply.lines
    assert action.reply.lines[-1] == "211 End."


def test_a_login_tries_the_next_node_and_the_password_is_forgotten() -> None:
    talk = Transcript()
    talk.client("USER station").client_gets("331").client("PASS secret").node_opens("node1")
    talk.node_gets("USER station").node("331 go on").node_gets("PASS secret").node_dies()
    talk.node_opens("node2", avoiding=("node1",)).node_gets("USER station").node("331 go on")
    talk.node_gets("PASS secret").node("230-Welcome", "230 in").client_gets("230-Welcome", "230 in")
    talk.node_dies()
    talk.client("PWD").replays("node1").node_gets("PWD").node('257 "/"').client_gets('257 "/"')


def test_no_password_stays_in_memory_after_the_login() -> None:
    talk = Transcript().logs_in()
    assert "secret" not in repr(vars(talk.session)) + repr(vars(talk.session._talk))


def test_a_refused_login_is_final() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, login_attempts=2))
    for _ in range(2):
        talk.client("USER station").client_gets("331").client("PASS wrong").node_opens("node1")
        talk.node_gets("USER station").node("331 go on").node_gets("PASS wrong").node("530 no")
        talk.node_is_left(politely=True).client_gets("530 no")
    talk.does(a.EndSession("login-refused"))


def test_a_login_without_any_node_ends_the_session() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, rounds=1))
    talk.client("USER station").client_gets("331").client("PASS secret").does(a.OpenBack(frozenset(), tls=False))
    talk.happens(e.BackFailed("node1", "refused")).does(a.OpenBack(frozenset({"node1"}), tls=False))
    talk.happens(e.BackFailed(None, "none")).does(a.Pause(1.0))
    talk.happens(e.PauseOver()).does(a.OpenBack(frozenset(), tls=False))
    talk.happens(e.BackFailed(None, "none")).client_gets("421").does(a.EndSession("no-node"))


def test_auth_resets_the_login_and_tells_the_node_of_tls() -> None:
    talk = Transcript()
    talk.client("USER station").client_gets("331")
    talk.client("AUTH TLS").client_gets("234").does(a.StartFrontTls())
    talk.client("PASS secret").client_gets("503")
    talk.client("PROT P").client_gets("503").client("PBSZ 0").client_gets("200").client("PROT P").client_gets("200")
    talk.client("USER station").client_gets("331").client("PASS secret").does(a.OpenBack(frozenset(), tls=True))


@pytest.mark.parametrize(("lines", "partial"), [(("AUTH TLS", "USER x"), False), (("AUTH TLS",), True)])
def test_bytes_behind_auth_end_the_session(lines: tuple[str, ...], partial: bool) -> None:
    Transcript().client(*lines, partial=partial).client_gets("421").does(a.EndSession("injection"))


@pytest.mark.parametrize("line", ["CCC", "PBSZ 0", "PROT P", "AUTH KERBEROS", "HOST other.example"])
def test_what_does_not_fit_is_refused_before_the_login(line: str) -> None:
    talk = Transcript().client(line)
    action = talk._next()
    assert isinstance(action, a.SendFront)
    assert action.reply.code >= 500


def test_passive_replies_name_the_vip_and_a_leased_port() -> None:
    talk = Transcript().logs_in()
    talk.client("PASV").does(a.LeasePort()).happens(e.PortLeased(40000))
    talk.client_gets("227 Entering Passive Mode (192,0,2,10,156,64).")
    talk.client("EPSV 1").does(a.LeasePort()).happens(e.PortLeased(40001))
    talk.client_gets("229 Entering Extended Passive Mode (|||40001|).")
    talk.client("EPSV 2").client_gets("522 Network protocol not supported, use (1)")
    talk.client("EPSV").does(a.LeasePort()).happens(e.NoPortFree()).client_gets("425")


def test_after_epsv_all_only_epsv_is_allowed() -> None:
    talk = Transcript().logs_in()
    talk.client("EPSV ALL").client_gets("200")
    for line in ("PASV", "PORT 192,0,2,7,100,1", "EPRT |1|192.0.2.7|25601|"):
        talk.client(line).client_gets("501")


def test_rein_forgets_who_the_client_is_and_what_it_prepared() -> None:
    talk = Transcript().logs_in()
    talk.client("EPSV ALL").client_gets("200").client("REST 5").client_gets("350")
    talk.client("REIN").node_is_left(politely=True).does(a.ReleasePort()).client_gets("220")
    talk.client("PWD").client_gets("530").client("REIN").client_gets("530")
    talk.logs_in()
    talk.client("PORT 192,0,2,7,4,5").does(a.ReleasePort()).client_gets("200")


def test_another_user_finds_nothing_that_the_one_before_prepared() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("USER lansurvey").node_is_left(politely=True).does(a.ReleasePort()).client_gets("331")
    talk.client("PASS x").node_opens("node1").node_gets("USER lansurvey").node("331 go on")
    talk.node_gets("PASS x").node("230 in").client_gets("230 in")
    talk.client("STOR a").client_gets("425")


@pytest.mark.parametrize("verb", ["APPE", "STOU"])
def test_rest_makes_no_sense_before_what_only_adds_and_is_forgotten(verb: str) -> None:
    talk = Transcript().logs_in()
    talk.client("REST 10").client_gets("350").client(f"{verb} a").client_gets("503")
    talk.client(f"{verb} a").client_gets("425")


@pytest.mark.parametrize("line", ["TYPE L7", "TYPE L 7", "TYPE a n", "TYPE I"])
def test_bytes_are_bytes_in_every_type_so_rest_is_taken_under_each(line: str) -> None:
    Transcript().logs_in().client(line).client_gets("200").client("REST 10").client_gets("350")


def test_pasv_is_not_for_ipv6() -> None:
    rules = msgspec.structs.replace(
        RULES, client=("2001:db8::7", 5000), local=("2001:db8::10", 21), pasv_address="2001:db8::10"
    )
    talk = Transcript(rules).logs_in()
    talk.client("PASV").client_gets("501")
    talk.client("EPSV 1").client_gets("522 Network protocol not supported, use (2)")
    talk.client("EPSV 2").does(a.LeasePort())


def test_a_draining_node_is_left_after_the_command_in_progress() -> None:
    talk = Transcript().logs_in()
    talk.client("SIZE a").node_gets("TYPE A").happens(e.BackDraining()).is_all()
    talk.node("200 ok").node_gets("SIZE a").node("213 9").client_gets("213 9").node_is_left(politely=True)
    talk.client("PWD").replays("node2").node_gets("PWD")


def test_a_session_is_set_up_again_where_it_was() -> None:
    talk = Transcript().logs_in()
    talk.client("CWD deep").node_gets("CWD deep").node("250 ok").node_gets("PWD").node('257 "/a ""b"" c" it is')
    talk.client_gets("250 ok")
    talk.client("RNFR x").node_gets("RNFR x").node("350 to").client_gets("350 to")
    talk.node_dies()
    talk.client("RNTO y").replays("node2").node_gets('CWD /a "b" c').node("250 ok")
    talk.node_gets("RNFR x").node("350 to").node_gets("RNTO y").node("250 done").client_gets("250 done")


def test_a_protected_account_gets_no_data_in_clear() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, protected_accounts=frozenset({"station"}))).logs_in()
    passive(talk)
    talk.client("LIST").client_gets("521")


def test_an_answer_nobody_asked_for_costs_the_node_its_leg() -> None:
    talk = Transcript().logs_in()
    talk.node("421 idle").node_is_left()
    talk.client("PWD").replays("node2").node_gets("PWD")


def test_too_many_pipelined_commands_end_the_session() -> None:
    talk = Transcript().client(*["NOOP"] * 101)
    talk.client_gets("421").does(a.EndSession("too-many-commands"))


def test_what_a_node_knows_alone_is_passed_to_it_and_its_choices_move_with_the_session() -> None:
    talk = Transcript().logs_in()
    talk.client("FEAT").node_gets("FEAT").node("211-F", " HASH BLAKE3*", "211 End").client_gets(
        "211-F", " HASH BLAKE3*", "211 End"
    )
    talk.client("OPTS HASH BLAKE3").node_gets("OPTS HASH BLAKE3").node("200 BLAKE3").client_gets("200 BLAKE3")
    talk.client("SYST").node_gets("SYST").node("215 Windows_NT").client_gets("215 Windows_NT")
    talk.node_dies()
    talk.client("HASH a").replays("node1").node_gets("OPTS HASH BLAKE3").node("200 BLAKE3")
    talk.node_gets("HASH a").node("213 BLAKE3 0-1 00 /a").client_gets("213")


@pytest.mark.parametrize(
    ("line", "patience_s"),
    [
        *((f"{verb} a", 3 + 600) for verb in ("HASH", "XCRC", "XMD5", "XSHA256")),
        *((line, 3 + 20) for line in ("MKD a", "DELE a", "MFMT 20200101000000 a", "SITE CHMOD 644 a")),
        *((line, 3) for line in ("PWD", "MLST a", "AVBL", "CWD a", "OPTS HASH BLAKE3")),
    ],
)
def test_a_node_has_as_long_as_the_command_may_take(line: str, patience_s: float) -> None:
    rules = msgspec.structs.replace(RULES, reply_timeout_s=3, publish_timeout_s=20, digest_timeout_s=600)
    talk = Transcript(rules).logs_in().client(line)
    assert talk._next() == a.SendBack(line, patience_s)


def test_a_digest_is_asked_of_each_node_once() -> None:
    talk = Transcript().logs_in().client("HASH a").node_gets("HASH a").node_dies()
    talk.replays("node2", avoiding=("node1",)).node_gets("HASH a").node_dies()
    talk.does(a.OpenBack(frozenset({"node1", "node2"}), tls=False)).happens(e.BackFailed(None, "none"))
    talk.client_gets("451").client("NOOP").client_gets("200")


@pytest.mark.parametrize(
    "line",
    [
        *("AVBL", "XCRC a", "XMD5 a", "XSHA256 a", "MFF modify=20200101000000; a", "MDTM 20200101000000 a"),
        *("SITE COPIES a", "COMB a b", "MFCT 20200101000000 a", "OPTS UTF8 ON"),
    ],
)
def test_the_node_answers_what_the_balancer_cannot(line: str) -> None:
    Transcript().logs_in().client(line).node_gets(line).node("599 said the node").client_gets("599 said the node")


def test_host_names_of_the_site_are_taken_before_user() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, host_names=("FTP.example.org",)))
    talk.client("HOST ftp.example.org.").client_gets("220").client("HOST 192.0.2.10").client_gets("220")
    talk.client("HOST other.example").client_gets("504").client("CLNT x").client_gets("200")
    talk.client("USER station").client_gets("331").client("HOST ftp.example.org").client_gets("503")
    assert Transcript(msgspec.structs.replace(RULES, host_names=("*",))).client("HOST x").client_gets("220")


def test_an_account_without_active_mode_is_told_so() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, passive_accounts=frozenset({"station"}))).logs_in()
    talk.client("PORT 192,0,2,7,10,1").client_gets("502").client("EPRT |1|192.0.2.7|2561|").client_gets("502")


def test_what_one_node_cannot_say_now_is_asked_of_the_next() -> None:
    talk = Transcript().logs_in()
    talk.client("CWD new").node_gets("CWD new").node("451 not ready").node_is_left()
    talk.replays("node2", avoiding=("node1",)).node_gets("CWD new").node("250 ok")
    talk.node_gets("PWD").node('257 "/new" it is').client_gets("250 ok")


def test_a_change_that_one_node_cannot_make_is_looked_for_and_asked_of_the_next() -> None:
    talk = Transcript().logs_in()
    talk.client("MKD d").node_gets("MKD d").node("451 no replicator").node_is_left()
    talk.replays("node2", avoiding=("node1",)).node_gets("MLST d").node("550 none")
    talk.node_gets("MKD d").node("451 here neither").node_is_left()
    talk.does(a.OpenBack(frozenset({"node1", "node2"}), tls=False)).happens(e.BackFailed(None, "none"))
    talk.does(a.OpenBack(frozenset({"node1", "node2"}), tls=False)).happens(e.BackFailed(None, "none"))
    talk.client_gets("451 here neither")


def test_a_node_that_is_lost_while_it_is_asked_what_came_of_a_change_leaves_that_to_the_next() -> None:
    talk = Transcript().logs_in()
    talk.client("MKD d").node_gets("MKD d").node_dies()
    talk.replays("node2", avoiding=("node1",)).node_gets("MLST d").node_dies()
    talk.does(a.OpenBack(frozenset({"node1", "node2"}), tls=False)).happens(e.BackFailed(None, "none"))
    talk.does(a.Pause(1.0)).happens(e.PauseOver())
    talk.replays("node1").node_gets("MLST d").node("250-x", " type=dir; d", "250 End").client_gets("257")


def two_sites() -> Rules:
    hosts: dict[str, Rules] = {}
    first = msgspec.structs.replace(RULES, host_names=("ingest.example",), hosts=hosts)
    hosts["public.example"] = msgspec.structs.replace(RULES, site="public", greeting="Public.", hosts=hosts)
    return first


def test_a_host_name_leads_to_another_site_before_user_and_its_logins_go_there() -> None:
    talk = Transcript(two_sites())
    talk.client("HOST Public.Example.").client_gets("220 Public.")
    assert talk.session.site == "public"
    talk.client("HOST nobody.example").client_gets("504")
    talk.client("USER anonymous").client_gets("331").client("HOST public.example").client_gets("503")
    standing = talk.session.standing
    assert standing is not None
    other = Transcript(two_sites()).session
    other.go_on_from(standing)
    assert other.site == "public"


def test_a_host_name_in_the_handshake_counts_and_host_may_not_say_otherwise() -> None:
    talk = Transcript(two_sites())
    talk.client("AUTH TLS").client_gets("234").does(a.StartFrontTls())
    talk.happens(e.ClientNamed("public.example"))
    assert talk.session.site == "public"
    talk.client("HOST ingest.example").client_gets("504 TLS was begun with public.example.")
    talk.client("HOST public.example").client_gets("220 Public.")
    talk.happens(e.ClientNamed("somebody.example"))
    talk.client("USER anonymous").client_gets("331")
    assert talk.session.site == "public"


def test_a_handshake_of_a_data_connection_changes_nothing() -> None:
    talk = Transcript(two_sites()).logs_in()
    talk.happens(e.ClientNamed("public.example"))
    assert talk.session.site == "ingest"
