"""The tables of ftpnode's core: verdicts, replies, rights, logins, admission, addresses, listings, states."""

import errno

import pytest

from cluster.health import NodeState, ReplicatorHealth
from cluster.publish import Done, Reason
from cluster.settings import Account, Limits, Right, Site
from ftpnode.core import admission, data_address
from ftpnode.core.data_address import DataAddress, read_eprt, read_port
from ftpnode.core.line import Line, read_line
from ftpnode.core.listing import Entry, facts_line, long_line, path_argument, read_timestamp, timestamp
from ftpnode.core.login import Candidate, Examination, candidate, examination
from ftpnode.core.node_state import node_state
from ftpnode.core.pace import ending_by_pace
from ftpnode.core.replies import disk_trouble, published, refused, write_trouble
from ftpnode.core.rights import RIGHT_OF_COMMAND, holds_denied, is_denied, may_do
from ftpnode.core.verdict import Ending, judge_download, judge_upload

UPLOAD_REPLIES = {
    Ending.CLOSED: "226",
    Ending.CLOSE_NOTIFY: "226",
    Ending.SENT: "426",
    Ending.RESET: "426",
    Ending.TLS_CUT: "426",
    Ending.STALLED: "426",
    Ending.TOO_SLOW: "426",
    Ending.ABORTED: "426",
    Ending.CONTROL_GONE: "426",
    Ending.DISK_FULL: "452",
    Ending.TOO_LARGE: "552",
    Ending.OVER_QUOTA: "552",
    Ending.DISK_ERROR: "451",
    Ending.NOT_CONNECTED: "425",
    Ending.TLS_FAILED: "522",
    Ending.TLS_FOREIGN: "522",
    Ending.BROKEN: "451",
}


@pytest.mark.parametrize("ending", list(Ending))
def test_an_upload_is_complete_only_after_an_orderly_end(ending):
    verdict = judge_upload(ending)
    assert verdict.reply[:3] == UPLOAD_REPLIES[ending]
    assert verdict.complete == (verdict.reply[:3] == "226")


@pytest.mark.parametrize("ending", list(Ending))
def test_a_download_is_complete_only_when_all_was_sent(ending):
    verdict = judge_download(ending)
    assert verdict.complete == (ending is Ending.SENT) == verdict.reply.startswith("226")


@pytest.mark.parametrize(
    ("moved_bytes", "minimum_bytes_per_s", "ending"),
    [
        (0, 0, Ending.STALLED),
        (1, 0, None),
        (-5, 240, Ending.STALLED),
        (2399, 240, Ending.TOO_SLOW),
        (2400, 240, None),
    ],
)
def test_a_transfer_goes_on_while_its_average_over_the_window_suffices(moved_bytes, minimum_bytes_per_s, ending):
    assert ending_by_pace(moved_bytes, 10.0, minimum_bytes_per_s) is ending


def test_what_is_denied_is_the_path_itself_and_all_below_it():
    denied = ("/Private", "/a/b")
    assert [is_denied(view, denied) for view in ("/Private", "/Private/x", "/a/b/c/d")] == [True] * 3
    assert [is_denied(view, denied) for view in ("/", "/Privately", "/a", "/a/bc", "/x/Private")] == [False] * 5
    assert [holds_denied(view, denied) for view in ("/a", "/a/b", "/Private", "/b")] == [True, False, False, False]


@pytest.mark.parametrize(
    ("copies", "wanted", "text"),
    [
        (1, 1, "226 Transfer complete. (1 copy)"),
        (2, 2, "226 Transfer complete. (2 copies)"),
        (3, 2, "226 Transfer complete. (3 copies)"),
        (1, 2, "226 Transfer complete. (1 of 2 copies)"),
    ],
)
def test_the_226_tells_the_copies(copies, wanted, text):
    assert published(Done(id=1, copies=copies, wanted=wanted)) == text


@pytest.mark.parametrize("reason", list(Reason))
def test_no_refusal_reads_like_a_success(reason):
    assert refused(reason)[0] in "45"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, "550"),
        (errno.ELOOP, "550"),
        (errno.ENOSPC, "452"),
        (errno.EFBIG, "552"),
        (errno.EIO, "451"),
        (None, "451"),
    ],
)
def test_a_disk_error_has_its_reply(number, code):
    assert disk_trouble(number).startswith(code)


def test_a_full_disk_a_limit_and_a_broken_disk_end_an_upload_differently():
    endings = [write_trouble(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, None)]
    assert endings == [Ending.DISK_FULL, Ending.DISK_FULL, Ending.TOO_LARGE, Ending.DISK_ERROR, Ending.DISK_ERROR]


def test_every_command_that_changes_or_reads_needs_its_right():
    everything = set(Right)
    for command, right in RIGHT_OF_COMMAND.items():
        assert may_do(command, {right})
        assert not may_do(command, everything - {right})
    assert may_do("NOOP", ())


ACCOUNTS = {
    "station": Account(home="/Station", rights=(Right.READ,), password="$argon2id$…"),
    "desk": Account(home="/", rights=(Right.READ,), password="$argon2id$…", tls="required"),
    "guest": Account(home="/Data", rights=(Right.READ,)),
}
INGEST = Site(port=2121, accounts=("station", "desk"))
PUBLIC = Site(port=2122, accounts=("guest",))


@pytest.mark.parametrize(
    ("site", "user", "account"),
    [
        (INGEST, "station", "station"),
        (INGEST, "STATION", None),
        (INGEST, "guest", None),
        (INGEST, "anonymous", None),
        (PUBLIC, "guest", "guest"),
        (PUBLIC, "anonymous", "guest"),
        (PUBLIC, "Anonymous", "guest"),
        (PUBLIC, "ftp", "guest"),
        (PUBLIC, "station", None),
    ],
)
def test_a_user_name_means_an_account_of_the_site(site, user, account):
    found = candidate(site, ACCOUNTS, user)
    assert (found.name if found else None) == account


@pytest.mark.parametrize(
    ("user", "password", "secure", "takes_tokens", "expected"),
    [
        ("station", "x", False, False, Examination.CHECK_PASSWORD),
        ("nobody", "x", False, False, Examination.CHECK_PASSWORD),
        ("nobody", "tripod-token:1:2:3", True, True, Examination.CHECK_PASSWORD),
        ("desk", "x", False, False, Examination.REFUSE_CLEAR),
        ("desk", "x", True, False, Examination.CHECK_PASSWORD),
        ("desk", "tripod-token:1:2:3", False, True, Examination.REFUSE_CLEAR),
        ("desk", "tripod-token:1:2:3", True, True, Examination.CHECK_TOKEN),
        ("station", "tripod-token:1:2:3", False, True, Examination.CHECK_TOKEN),
        ("station", "tripod-token:1:2:3", True, False, Examination.CHECK_PASSWORD),
    ],
)
def test_how_a_login_is_examined(user, password, secure, takes_tokens, expected):
    found = candidate(INGEST, ACCOUNTS, user)
    assert examination(found, password, secure=secure, takes_tokens=takes_tokens) is expected


@pytest.mark.parametrize(
    ("asked", "certified", "token", "is_probe", "expected"),
    [
        ("no", False, False, False, Examination.CHECK_PASSWORD),
        ("no", True, False, False, Examination.CHECK_PASSWORD),
        ("optional", False, False, False, Examination.CHECK_PASSWORD),
        ("optional", True, False, False, Examination.WELCOME),
        ("optional", False, True, False, Examination.CHECK_TOKEN),
        ("optional", False, False, True, Examination.CHECK_PASSWORD),
        ("required", False, False, False, Examination.REFUSE_UNKNOWN),
        ("required", True, False, False, Examination.CHECK_PASSWORD),
        ("required", False, True, False, Examination.REFUSE_UNKNOWN),
        ("required", True, True, False, Examination.CHECK_TOKEN),
        ("required", False, True, True, Examination.CHECK_TOKEN),
        ("required", False, False, True, Examination.REFUSE_UNKNOWN),
    ],
)
def test_how_a_login_with_a_client_certificate_is_examined(asked, certified, token, is_probe, expected):
    """From the balancer, under TLS."""
    account = Account(home="/", rights=(), password="hash", client_certificate=asked)
    password = "tripod-token:1:2:3" if token else "x"
    told = {"secure": True, "takes_tokens": True, "certified": certified, "is_probe": is_probe}
    assert examination(Candidate("desk", account), password, **told) is expected


@pytest.mark.parametrize("certified", [False, True])
def test_who_must_show_a_certificate_must_speak_tls_whatever_tls_says(certified):
    account = Account(home="/", rights=(), password="hash", client_certificate="required")
    told = {"secure": False, "takes_tokens": False, "certified": certified}
    assert examination(Candidate("desk", account), "x", **told) is Examination.REFUSE_CLEAR


def test_anonymous_is_welcome_with_any_password():
    found = candidate(PUBLIC, ACCOUNTS, "ftp")
    assert examination(found, "", secure=False, takes_tokens=False) is Examination.WELCOME


@pytest.mark.parametrize(
    ("banned", "draining", "sessions", "from_address", "let_in"),
    [
        (False, False, 9, 2, True),
        (True, False, 0, 0, False),
        (False, True, 0, 0, False),
        (False, False, 10, 0, False),
        (False, False, 9, 3, False),
    ],
)
def test_who_is_let_in(banned, draining, sessions, from_address, let_in):
    limits = Limits(sessions=10, sessions_per_address=3)
    reply = admission.refusal(limits, banned=banned, draining=draining, sessions=sessions, from_address=from_address)
    assert (reply is None) == let_in
    assert reply is None or reply.startswith("421 ")


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("127,0,0,1,4,1", DataAddress("127.0.0.1", 1025)),
        (" 127,0,0,1,255,255 ", DataAddress("127.0.0.1", 65535)),
        ("127,0,0,1,4", None),
        ("127,0,0,256,4,1", None),
        ("127,0,0,1,4,1,1", None),
        ("127,0,0,-1,4,1", None),
        ("١,0,0,1,4,1", None),
        ("\x1c127,0,0,1,4,1", DataAddress("127.0.0.1", 1025)),
        ("", None),
    ],
)
def test_port_arguments(argument, address):
    assert read_port(argument) == address


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("|1|127.0.0.1|1025|", DataAddress("127.0.0.1", 1025)),
        ("!2!::1!1025!", DataAddress("::1", 1025)),
        ("|2|127.0.0.1|1025|", None),
        ("|1|::1|1025|", None),
        ("|1|localhost|1025|", None),
        ("|1|127.0.0.1|65536|", None),
        ("|1|127.0.0.1||", None),
        ("|", None),
        ("", None),
    ],
)
def test_eprt_arguments(argument, address):
    assert read_eprt(argument) == address


def test_data_goes_to_the_peer_from_port_1024():
    assert data_address.refusal(DataAddress("127.0.0.1", 1024), "127.0.0.1") is None
    assert data_address.refusal(DataAddress("127.0.0.1", 1023), "127.0.0.1")
    assert data_address.refusal(DataAddress("127.0.0.2", 1024), "127.0.0.1")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"NOOP\r", Line("NOOP", "")),
        (b"noop", Line("NOOP", "")),
        (b"STOR  two  spaces \r", Line("STOR", " two  spaces ")),
        (b"\xff\xf4\xff\xf2ABOR\r", Line("ABOR", "")),
        (b"STOR caf\xe9", Line("STOR", "caf\udce9")),
        (b"", Line("", "")),
        ("ſTOR a".encode(), Line("ſTOR", "a")),
    ],
)
def test_a_line_is_a_command_and_an_argument(data, line):
    assert read_line(data) == line


@pytest.mark.parametrize(
    ("argument", "path"), [("", ""), ("-la", ""), ("-la /x y", "/x y"), ("-a -l z", "z"), ("x -a", "x"), ("x", "x")]
)
def test_options_of_ls_are_no_path(argument, path):
    assert path_argument(argument) == (path if argument != "x -a" else "x -a")


FILE = Entry("a b.rnx", is_directory=False, size_bytes=1234, mtime_s=1_700_000_000.5)


def test_a_long_line_shows_the_hour_for_half_a_year_and_then_the_year():
    recent = long_line(FILE, 1_700_000_100)
    old = long_line(FILE, 1_800_000_000)
    ahead = long_line(FILE, 1_600_000_000)
    assert recent == "-rw-r--r--   1 ftp      ftp              1234 Nov 14 22:13 a b.rnx\r\n"
    assert " Nov 14  2023 a b.rnx" in old
    assert " Nov 14  2023 a b.rnx" in ahead
    assert long_line(Entry("d", is_directory=True, size_bytes=0, mtime_s=-5.0), 0.0).startswith("drwx")


def test_facts_tell_what_the_account_may_do():
    line = facts_line(FILE, {"type", "perm", "modify", "size"}, (Right.READ, Right.DELETE))
    assert line == "type=file;size=1234;modify=20231114221320;perm=rd; a b.rnx"
    assert facts_line(FILE, (), ()) == " a b.rnx"


@pytest.mark.parametrize("moment_s", [0.0, 1_700_000_000.0, 253_402_300_799.0, 1e30, -1e30])
def test_every_moment_can_be_written(moment_s):
    assert len(timestamp(moment_s)) == 14


@pytest.mark.parametrize(
    ("text", "moment_s"),
    [
        ("19700101000001", 1.0),
        ("19700101000001.250", 1.0),
        ("20240230000000", None),
        ("2024022912000", None),
        ("x", None),
        ("", None),
    ],
)
def test_a_time_is_read_or_refused(text, moment_s):
    assert read_timestamp(text) == moment_s


def replicator(state):
    return ReplicatorHealth(node="node1", incarnation="1", state=state)


@pytest.mark.parametrize(
    ("draining", "has_replicator", "health", "free", "state"),
    [
        (False, False, None, 10, NodeState.READY),
        (False, True, replicator(NodeState.READY), 10, NodeState.READY),
        (False, True, None, 10, NodeState.FAILED),
        (False, True, replicator(NodeState.FAILED), 10, NodeState.FAILED),
        (False, True, replicator(NodeState.JOINING), 10, NodeState.JOINING),
        (False, False, None, 9, NodeState.READY),
        (True, False, None, 9, NodeState.DRAINING),
        (True, False, None, 10, NodeState.DRAINING),
        (True, True, None, 10, NodeState.FAILED),
        (True, True, replicator(NodeState.JOINING), 10, NodeState.DRAINING),
    ],
)
def test_the_state_of_a_node(draining, has_replicator, health, free, state):
    found, notices = node_state(
        draining=draining, has_replicator=has_replicator, replicator=health, disk_free_bytes=free, reserve_bytes=10
    )
    assert found is state
    assert bool(notices) == (state is not NodeState.READY or free < 10)


@pytest.mark.parametrize(
    ("workers", "draining", "state", "notice"),
    [
        ((4, 4), False, NodeState.READY, ""),
        ((3, 4), False, NodeState.READY, "3 of 4 workers serve"),
        ((3, 4), True, NodeState.DRAINING, "3 of 4 workers serve"),
        ((0, 4), True, NodeState.FAILED, "none of 4 workers serves"),
    ],
)
def test_a_node_is_fit_while_one_of_its_workers_serves(workers, draining, state, notice):
    found, notices = node_state(
        draining=draining, has_replicator=False, replicator=None, disk_free_bytes=10, reserve_bytes=10, workers=workers
    )
    assert found is state
    assert notice in ("", *notices)
