"""Messages on a stream."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.errors import WorkerError
from knockoff.filling.frames import HEADER, LARGEST_FRAME, frame_length, framed, receive
from knockoff.filling.orders import Gathering

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(messages=st.lists(JSON, max_size=4), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[Any], cuts: list[int]
) -> None:
    """A stream socket keeps no boundaries: one read may bring half a message, or three."""
    stream = b"".join(framed(message) for message in messages)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    gathering = Gathering()

    found = [
        message for start, end in pairwise(edges) for message in gathering.add(stream[start:end])
    ]

    assert found == messages


def test_the_end_of_a_stream_between_messages_is_none_and_inside_one_an_error() -> None:
    """The first is a recorder that closes, the second one that was killed as it wrote."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(framed({"a": 1}) + framed({"b": 2})[:-1])
        theirs.close()

        assert receive(ours) == {"a": 1}
        with pytest.raises(WorkerError, match="broke off"):
            receive(ours)
        assert receive(ours) is None


def test_an_absurd_length_is_refused_before_anything_is_read() -> None:
    """Four bytes of garbage must not make the recorder take four gigabytes."""
    with pytest.raises(WorkerError, match="not ours"):
        frame_length(b"GET ")
    with pytest.raises(WorkerError, match="not ours"):
        list(Gathering().add(HEADER.pack(LARGEST_FRAME + 1)))
