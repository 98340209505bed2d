"""Frames: the same payloads come out however the bytes are cut, and a giant one ends the connection."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.content_id import content_id_of
from cluster.frame import MAX_FRAME_BYTES, FrameReader, FrameTooLongError, frame
from cluster.health import NodeState, ReplicatorHealth
from cluster.publish import (
    Ask,
    Done,
    Fetch,
    MakeDirectory,
    Policy,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    SetMtime,
    State,
    decode_answer,
    decode_request,
    encode,
)


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(0, 400), max_size=20))
def test_payloads_come_out_whole_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader()
    found = [payload for start, end in itertools.pairwise(edges) for payload in reader.feed(stream[start:end])]
    assert found == payloads


def test_a_frame_above_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameTooLongError):
        FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "request_",
    [
        Publish(
            id=1, path="a", staged="up-1", content_id=content_id_of(b""), size_bytes=0, mtime_ns=5, policy=Policy()
        ),
        MakeDirectory(id=2, path="a"),
        Remove(id=3, path="a", kind="file"),
        Rename(id=4, source="a", target="b"),
        SetMtime(id=5, path="a", mtime_ns=7),
        Fetch(id=6, path="a"),
        Ask(id=7),
    ],
)
def test_a_request_comes_back_as_it_was(request_) -> None:
    assert decode_request(encode(request_)) == request_


@pytest.mark.parametrize(
    "answer",
    [
        Done(id=1, copies=1, wanted=2),
        Refused(id=2, reason=Reason.DISK_FULL, text="the disk is full"),
        State(id=3, health=ReplicatorHealth(node="n", incarnation="i", state=NodeState.READY)),
    ],
)
def test_an_answer_comes_back_as_it_was(answer) -> None:
    assert decode_answer(encode(answer)) == answer


def test_fewer_copies_than_the_policy_asks_for_are_degraded() -> None:
    assert Done(id=1, copies=1, wanted=2).degraded
    assert not Done(id=1, copies=2, wanted=2).degraded
