"""Conversations about uploads and downloads: they are repeated, continued, cut and aborted."""

import msgspec
import pytest

from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.download import LISTING_BYTES
from tests.kit.transcript import RULES, Transcript


def passive(talk: Transcript) -> None:
    talk.client("TYPE I").client_gets("200").client("EPSV").does(a.LeasePort())
    talk.happens(e.PortLeased(40000)).client_gets("229 Entering Extended Passive Mode (|||40000|).")


def passive_again(talk: Transcript) -> None:
    talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(40001))
    talk.client_gets("229 Entering Extended Passive Mode (|||40001|).")


def offered(talk: Transcript, line: str, *, typed: bool = True, rest: str = "") -> None:
    if typed:
        talk.node_gets("TYPE I").node("200 ok")
    talk.node_gets("EPSV").node("229 ok (|||5001|)").does(a.ConnectBackData(5001)).happens(e.BackDataOpened())
    if rest:
        talk.node_gets(rest).node("350 go on")
    talk.node_gets(line)


def identified(talk: Transcript, size_bytes: int, content_id: str = 64 * "a") -> None:
    talk.node_gets("MLST a").node("250-x", f" type=file;size={size_bytes};modify=1; a", "250 End")
    talk.node_gets("SITE COPIES a").node(f"213 At least 2 of 2 nodes hold BLAKE3 {content_id}.")


def test_an_upload_is_fed_from_the_spool_and_226_is_the_nodes() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.happens(e.FrontDataOpened()).does(a.ReceiveUpload())
    talk.happens(e.UploadEnded(e.Ending.FINISHED, 10))
    talk.node("226 Stored twice.").does(a.DropData(), a.ReleasePort()).client_gets("226 Stored twice.")


def test_an_upload_is_repeated_elsewhere_and_the_client_hears_of_one() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.happens(e.FrontDataOpened()).does(a.ReceiveUpload())
    talk.node_dies().replays("node2", avoiding=("node1",))
    offered(talk, "STOR a")
    talk.happens(e.UploadEnded(e.Ending.FINISHED, 10))
    talk.node("150 go").does(a.FeedNode()).node("226 ok")
    talk.does(a.DropData(), a.ReleasePort()).client_gets("226 ok")


@pytest.mark.parametrize("node_dies", [False, True])
def test_an_upload_that_the_balancers_own_disk_cannot_take_is_refused_with_452(node_dies: bool) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.happens(e.FrontDataOpened()).does(a.ReceiveUpload())
    talk.happens(e.UploadEnded(e.Ending.UNSPOOLED, 10))
    if node_dies:
        talk.node_dies()
    else:
        talk.node("426 The data connection was reset.")
    talk.does(a.DropData(), a.ReleasePort()).client_gets("452")


def test_a_cut_upload_is_never_repeated() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.happens(e.FrontDataOpened()).does(a.ReceiveUpload())
    talk.happens(e.UploadEnded(e.Ending.CUT, 10)).node_dies()
    talk.does(a.DropData(), a.ReleasePort()).client_gets("426")


def test_a_node_that_refuses_for_good_is_believed() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("550 no right").does(a.DropBackData(), a.DropData()).client_gets("550 no right")


def test_a_transient_refusal_is_asked_of_every_node_and_the_last_word_counts() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("452 disk full").does(a.DropBackData()).node_is_left().replays("node2", avoiding=("node1",))
    offered(talk, "STOR a")
    talk.node("452 full too").does(a.DropBackData()).node_is_left().does(
        a.OpenBack(frozenset({"node1", "node2"}), tls=False)
    )
    talk.happens(e.BackFailed(None, "none")).does(a.DropData()).client_gets("452 full too")


def test_226_of_a_download_waits_for_the_last_byte() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("RETR a")
    identified(talk, 9)
    offered(talk, "RETR a")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))
    talk.node("226 sent").is_all()
    talk.happens(e.FrontDataOpened()).does(a.RelayDownload())
    talk.happens(e.DownloadEnded(e.Ending.FINISHED, 9)).does(a.FinishFrontData())
    talk.happens(e.FrontDataClosed(9)).does(a.DropData(), a.ReleasePort()).client_gets("226 sent")


def test_a_download_goes_on_at_the_byte_reached() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("REST 100").client_gets("350")
    talk.client("RETR a")
    identified(talk, 9999)
    talk.node_gets("TYPE I").node("200 ok").node_gets("EPSV").node("500 what")
    talk.node_gets("PASV").node("227 ok (10,0,0,1,19,137)").does(a.ConnectBackData(5001)).happens(e.BackDataOpened())
    talk.node_gets("REST 100").node("350 ok").node_gets("RETR a")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))
    talk.happens(e.FrontDataOpened()).does(a.RelayDownload())
    talk.node_dies().does(a.StopDownload()).happens(e.DownloadEnded(e.Ending.CUT, 50))
    talk.replays("node2", avoiding=("node1",))
    identified(talk, 9999)
    talk.node_gets("TYPE I").node("200 ok").node_gets("EPSV").node("229 ok (|||5002|)")
    talk.does(a.ConnectBackData(5002)).happens(e.BackDataOpened())
    talk.node_gets("REST 150").node("350 ok").node_gets("RETR a").node("150 here").does(a.RelayDownload())


@pytest.mark.parametrize(
    "answer",
    [f"213 At least 1 of 2 nodes hold BLAKE3 {64 * 'b'}.", "451 no replicator", "504 what", f"550 BLAKE3 {64 * 'a'}"],
)
def test_a_download_does_not_go_on_where_the_content_id_is_another_or_unknown(answer: str) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("RETR a")
    identified(talk, 9999)
    offered(talk, "RETR a")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))
    talk.happens(e.FrontDataOpened()).does(a.RelayDownload())
    talk.node_dies().does(a.StopDownload()).happens(e.DownloadEnded(e.Ending.CUT, 50))
    talk.replays("node2", avoiding=("node1",))
    talk.node_gets("MLST a").node("250-x", " type=file;size=9999;modify=1; a", "250 End")
    talk.node_gets("SITE COPIES a").node(answer)
    talk.does(a.DropData(), a.ReleasePort()).client_gets("426")
    talk.client("NOOP").client_gets("200")


def test_a_download_goes_on_at_its_byte_whatever_facts_the_client_has_chosen() -> None:
    talk = Transcript().logs_in()
    talk.client("OPTS MLST perm;").node_gets("OPTS MLST perm;").node("200 perm;").client_gets("200 perm;")
    passive(talk)
    talk.client("RETR a").node_gets("OPTS MLST type;size;modify;").node("200 ok")
    identified(talk, 9999)
    offered(talk, "RETR a")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))
    talk.happens(e.FrontDataOpened()).does(a.RelayDownload())
    talk.node_dies().does(a.StopDownload()).happens(e.DownloadEnded(e.Ending.CUT, 50))
    talk.replays("node2", avoiding=("node1",))
    identified(talk, 9999)
    offered(talk, "RETR a", rest="REST 50")
    talk.node("150 here").does(a.RelayDownload()).happens(e.DownloadEnded(e.Ending.FINISHED, 9999))
    talk.node("226 all").does(a.FinishFrontData()).happens(e.FrontDataClosed(9999))
    talk.does(a.DropData(), a.ReleasePort()).client_gets("226 all")
    talk.client("MLST a").node_gets("OPTS MLST perm;").node("200 perm;")
    talk.node_gets("MLST a").node("250-x", " perm=r; a", "250 End").client_gets("250-x", " perm=r; a", "250 End")
    passive_again(talk)
    talk.client("MLSD").node_gets("EPSV").node("229 ok (|||5001|)").does(a.ConnectBackData(5001))
    talk.happens(e.BackDataOpened()).node_gets("MLSD")


def test_facts_that_hold_all_that_shows_a_file_are_left_as_the_client_has_chosen_them() -> None:
    talk = Transcript().logs_in()
    line = "OPTS MLST Modify;size;unique;TYPE;"
    talk.client(line).node_gets(line).node("200 ok").client_gets("200 ok")
    passive(talk)
    talk.client("RETR a").node_gets("MLST a")


@pytest.mark.parametrize(("delivered_bytes", "goes_on"), [(0, True), (LISTING_BYTES, False)])
def test_a_listing_begins_anew_elsewhere_unless_it_was_too_long_to_be_held_back(delivered_bytes, goes_on) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("LIST")
    offered(talk, "LIST")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))
    talk.happens(e.FrontDataOpened()).does(a.RelayDownload(LISTING_BYTES))
    talk.node_dies().does(a.StopDownload()).happens(e.DownloadEnded(e.Ending.CUT, delivered_bytes))
    talk.replays("node2", avoiding=("node1",))
    if goes_on:
        offered(talk, "LIST")
        talk.node("150 here").does(a.RelayDownload(LISTING_BYTES)).happens(e.DownloadEnded(e.Ending.FINISHED, 0))
        talk.node("226 all").does(a.FinishFrontData()).happens(e.FrontDataClosed(12))
        talk.does(a.DropData(), a.ReleasePort()).client_gets("226 all")
    else:
        talk.does(a.DropData(), a.ReleasePort()).client_gets("426")
    (note,) = (note for note in talk.notes if isinstance(note, a.NoteTransfer))
    assert note.size_bytes == (12 if goes_on else LISTING_BYTES)


def test_a_listing_after_a_move_has_the_facts_that_the_client_has_chosen() -> None:
    talk = Transcript().logs_in()
    talk.client("OPTS MLST size;").node_gets("OPTS MLST size;").node("200 ok").client_gets("200 ok")
    talk.node_dies()
    passive(talk)
    talk.client("MLSD").replays("node1").node_gets("TYPE I").node("200 ok").node_gets("OPTS MLST size;").node("200 ok")
    offered(talk, "MLSD", typed=False)


def test_a_download_without_replicators_asks_for_no_content_id_and_starts_again_only_at_its_first_byte() -> None:
    talk = Transcript(msgspec.structs.replace(RULES, replicated=False)).logs_in()
    passive(talk)
    talk.client("RETR a").node_gets("MLST a").node("250-x", " type=file;size=9;modify=1; a", "250 End")
    offered(talk, "RETR a")
    talk.node_dies().replays("node2", avoiding=("node1",))
    talk.node_gets("MLST a").node("250-x", " type=file;size=9;modify=1; a", "250 End")
    offered(talk, "RETR a")
    talk.node("150 here").client_gets("150 here").does(a.OpenFrontData(None, protected=False))


def test_abort_leaves_the_node_and_answers_twice() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.client("ABOR").does(a.DropData(), a.ReleasePort()).node_is_left().client_gets("426").client_gets("226")
    talk.client("ABOR").does(a.ReleasePort()).client_gets("226")


def test_commands_during_a_transfer_wait_for_its_end() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())
    talk.client("NOOP", "STAT", "QUIT").client_gets("213")
    talk.happens(e.FrontDataOpened()).does(a.ReceiveUpload())
    talk.happens(e.UploadEnded(e.Ending.FINISHED, 1)).node("226 ok").does(a.DropData(), a.ReleasePort())
    talk.client_gets("226 ok").client_gets("200").client_gets("221").node_is_left(politely=True)
    talk.does(a.EndSession("quit"))
