"""Behaviour of control.sock."""

import threading

import pytest
import zmq
from outbox_kit import ok_reply

from edged.errors import LinkError
from edged.transport.control import ControlIn, ControlServer, ask, read_reply


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/control.sock"


@pytest.fixture
def server(endpoint):
    def handler(command: ControlIn):
        if command.name == "purge":
            raise ValueError("purge what?")
        return ok_reply(command.id, name=command.name, **command.data)

    running = ControlServer(endpoint, handler)
    running.start()
    yield running
    running.stop()


@pytest.mark.usefixtures("server")
def test_a_question_is_answered(endpoint):
    """The handler's reply comes back with its data."""
    reply = ask(endpoint, "outbox", {"x": 1})
    assert (reply.status, reply.data) == ("ok", {"name": "outbox", "x": 1})


@pytest.mark.usefixtures("server")
def test_an_error_of_the_handler_is_an_error_reply(endpoint):
    """With its text, which is for the operator."""
    reply = ask(endpoint, "purge", {})
    assert (reply.error, reply.text) == ("bad-data", "purge what?")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b'{"name":"rm"}', b"[" * 9000])
def test_rubbish_gets_one_error_answer(endpoint, body):
    """And the next question works."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.connect(endpoint)
    socket.send(body)
    assert socket.poll(5000)
    assert b"not a command" in socket.recv()
    context.destroy(linger=0)
    assert ask(endpoint, "status", {}).status == "ok"


def test_no_engine_is_told_with_the_cure(endpoint, tmp_path):
    """Neither a missing nor a dead socket makes a client hang."""
    with pytest.raises(LinkError, match="edged run"):
        ask(endpoint, "status", {})
    (tmp_path / "control.sock").touch()
    with pytest.raises(LinkError, match="edged run"):
        ask(endpoint, "status", {}, timeout_s=0.2)


@pytest.mark.usefixtures("server")
def test_several_people_ask_at_a_time(endpoint):
    """Each gets the answer to its own question."""
    wrong: list = []

    def work(number: int) -> None:
        answers = [ask(endpoint, "status", {"n": number}).data["n"] for _ in range(5)]
        wrong.extend(answer for answer in answers if answer != number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []


@pytest.mark.usefixtures("server")
def test_only_the_owner_can_open_it(tmp_path):
    """The socket's mode is the access control."""
    assert (tmp_path / "control.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"id":"\xff"}', b"[" * 100_000, b"{}"])
def test_a_reply_that_is_none_is_a_link_error(body):
    """Bytes that are no UTF-8 among them: the command says what to do, and shows no traceback."""
    with pytest.raises(LinkError, match="no edged engine of this version"):
        read_reply(body)
