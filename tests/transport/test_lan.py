"""The listener for LAN cameras: its address, and what is handed from process to process."""

from __future__ import annotations

import os
import socket

import pytest

from edged.errors import OperatorError
from edged.transport import lan


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.5:5555", ("192.0.2.5", 5555)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::]:65535", ("::", 65535)),
        ("[2001:db8::0:1]:5555", ("2001:db8::1", 5555)),
    ],
)
def test_addresses(text, found):
    """Numeric, with a port."""
    assert lan.parse_address(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "5555", ":5555", "192.0.2.5", "192.0.2.5:", "192.0.2.5:0", "192.0.2.5:65536", "*:5555",
     "camera.local:5555", "::1:5555", "[192.0.2.5]:5555", "192.0.2.5:+5", "192.0.2.5:\u0665",
     "[fe80::1%eth0]:5555", "tcp://192.0.2.5:5555", "192.0.2.5:" + "9" * 5000],
)  # fmt: skip
def test_what_is_no_address(text):
    """A name would be looked up, and could be another machine tomorrow."""
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parts say
        lan.parse_address(text)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def at(sock):
    return f"127.0.0.1:{sock.getsockname()[1]}"


def test_an_address_that_is_taken_says_so(listener):
    """With what to look at."""
    with pytest.raises(OperatorError, match="another program"):
        lan.open_listener(at(listener))
    with pytest.raises(OperatorError, match="no interface"):
        lan.open_listener("192.0.2.77:5555")


def test_what_was_opened_is_taken_over_and_goes_no_further(listener):
    """Helpers that the engine starts do not get it."""
    fd = listener.fileno()
    os.set_inheritable(fd, True)
    assert lan.take_over([fd], at(listener)) == [fd]
    assert not os.get_inheritable(fd)


def test_listener_and_configuration_must_agree(listener):
    """What is missing, too many or elsewhere is refused, with what to do."""
    fd, here = listener.fileno(), at(listener)
    assert lan.take_over([], None) == []
    with socket.socket(socket.AF_UNIX) as local:
        for fds, listen, said in (
            ([fd], None, r"\[frames.lan\]"),
            ([], here, "edged-frames.socket"),
            ([fd, fd], here, "2 listeners"),
            ([fd], "127.0.0.1:1", "edged install"),
            ([fd], "0.0.0.0:" + here.partition(":")[2], "edged install"),
            ([local.fileno()], here, "no network address"),
        ):
            with pytest.raises(OperatorError, match=said):
                lan.take_over(fds, listen)


def test_systemd_and_our_launchers_hand_in():
    """Those of another process do not count (sd_listen_fds(3))."""
    me = str(os.getpid())
    assert lan.handed_in({}) == []
    assert lan.handed_in({lan.LISTENER_FD: "7"}) == [7]
    assert lan.handed_in({"LISTEN_PID": me, "LISTEN_FDS": "2"}) == [3, 4]
    both = {"LISTEN_PID": me, "LISTEN_FDS": "1", lan.LISTENER_FD: "3"}
    assert lan.handed_in(both) == [3]
    assert lan.handed_in({"LISTEN_PID": "1", "LISTEN_FDS": "2"}) == []
    with pytest.raises(OperatorError, match="edged run"):
        lan.handed_in({lan.LISTENER_FD: "seven"})


@pytest.mark.parametrize("count", ["-1", "65", "9" * 30, "x"])
def test_a_count_of_listeners_out_of_bounds_is_refused(count):
    """An environment that says nonsense costs an error, not the memory."""
    with pytest.raises(OperatorError, match="LISTEN_FDS"):
        lan.handed_in({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})
