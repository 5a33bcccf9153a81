"""What a download survives, and what it refuses."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
from model_server import serving

from edged.errors import LinkError, ModelError, OperatorError
from edged.store import download
from edged.store.download import Patience, Wanted, fetch, part_path
from edged.store.http import check_url

BODY = os.urandom(700_000)
SIZE = len(BODY)
QUICK = Patience(timeout_s=5, attempts=3, pause_s=0.001)


def wanted(url, size_bytes=0, limit_bytes=10**7):
    return Wanted(url, size_bytes, limit_bytes, same=True)


def ignore(done, total):
    pass


@pytest.fixture
def server():
    with serving() as how:
        how.files["model.onnx"] = BODY
        yield how


@pytest.fixture
def get(server, tmp_path):
    """Downloads model.onnx; keyword arguments change what is wanted."""

    def run(*, size_bytes=SIZE, limit_bytes=10**7, same=True, patience=QUICK, told=None):
        url = f"{server.url}/model.onnx"
        part = part_path(tmp_path / "model.onnx", url)
        told = told if told is not None else []
        fetch(Wanted(url, size_bytes, limit_bytes, same), part, lambda *x: told.append(x), patience)
        return part.read_bytes()

    return run


def test_a_file_comes_whole_and_progress_reaches_its_size(get):
    """The bytes are the server's, and the last progress is all of them."""
    told = []
    assert get(told=told) == BODY
    assert told[-1] == (len(BODY), len(BODY))


def test_a_cut_connection_is_continued_where_it_ended(get, server):
    """Two cuts cost no byte twice."""
    server.cuts = [100_000, 250_000]
    assert get() == BODY
    assert [wanted for _, wanted in server.requests] == ["", "bytes=100000-", "bytes=350000-"]
    assert server.sent == len(BODY)


def test_ctrl_c_keeps_what_has_come_for_the_next_run(get, server, tmp_path):
    """A download that a person stopped goes on in the next call."""
    server.cuts = [300_000]

    def stop(done, _):
        if done >= 300_000:
            raise KeyboardInterrupt

    url = f"{server.url}/model.onnx"
    part = part_path(tmp_path / "model.onnx", url)
    with pytest.raises(KeyboardInterrupt):
        fetch(wanted(url, len(BODY)), part, stop, QUICK)
    assert part.stat().st_size == 300_000
    assert get() == BODY
    assert server.requests[-1][1] == "bytes=300000-"


def test_a_server_without_ranges_starts_again(get, server):
    """A 200 to a range request replaces the part instead of being appended to it."""
    server.cuts, server.ranges = [100_000], False
    assert get() == BODY


def test_a_file_that_changed_in_between_is_not_mixed(get, server, monkeypatch):
    """If-Range: the second half of another version is never appended to the first half."""
    server.cuts = [100_000]
    other = bytes(reversed(BODY))
    change = {"model.onnx": other}
    monkeypatch.setattr(download.time, "sleep", lambda _: server.files.update(change))
    assert get(same=False) == other
    assert server.requests[1][1] == "bytes=100000-"


def test_an_unpinned_part_that_cannot_be_told_apart_starts_again(get, server):
    """Without hash and without ETag a part is not continued."""
    server.cuts, server.etags = [100_000], False
    assert get(same=False) == BODY
    assert [wanted for _, wanted in server.requests] == ["", ""]


def test_a_server_that_answers_another_part_is_not_believed(get, server):
    """A Content-Range other than the one asked for is thrown away."""
    server.cuts, server.wrong_range = [100_000], True
    assert get() == BODY  # the third request, without a part, is a plain one


def test_a_length_that_promises_more_is_no_file(get, server):
    """A body shorter than its Content-Length is a cut connection."""
    server.claims, server.ranges = len(BODY) + 5, False
    with pytest.raises(ModelError, match=f"offers {len(BODY) + 5} bytes"):
        get()
    with pytest.raises(LinkError, match="ended early"):
        get(size_bytes=0)


def test_a_length_that_promises_less_is_another_file(get, server):
    """Less than the recipe's size is refused before a byte is taken."""
    server.claims = 10
    with pytest.raises(ModelError, match="offers 10 bytes"):
        get()


def test_more_than_the_bound_is_refused_before_it_is_written(get, tmp_path):
    """A length above the bound ends it before the first byte."""
    with pytest.raises(ModelError, match="at most 1000"):
        get(size_bytes=0, limit_bytes=1000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


@contextlib.contextmanager
def raw_server(head, block, pause_s=0.0):
    """Sends `head` and then `block` for ever to everybody who connects; gives its URL."""
    done = threading.Event()

    def pour(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(head)
            while not done.wait(pause_s):
                connection.sendall(block)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=pour, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/m"
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_an_endless_body_without_length_is_cut_at_the_bound(tmp_path):
    """A server that names no length and never stops is stopped by us."""
    part = tmp_path / "part"
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with (
        raw_server(head, b"x" * 65_536) as url,
        pytest.raises(ModelError, match="more than 200000 bytes"),
    ):
        fetch(wanted(url, limit_bytes=200_000), part, ignore, QUICK)
    assert part.stat().st_size <= 200_000


def test_a_server_that_drips_is_given_up(tmp_path):
    """A byte now and then does not hold a download for ever."""
    slow = Patience(
        timeout_s=5, attempts=2, pause_s=0.001, slowest_bytes_per_s=10_000, window_s=0.2
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    with raw_server(head, b"x", 0.01) as url, pytest.raises(LinkError, match="slower than"):
        fetch(wanted(url, 1_000_000), tmp_path / "part", ignore, slow)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_there_is_not_asked_for_again(get, server, status):
    """Answers that a retry cannot change end it at once, with the address."""
    server.statuses = [status] * 9
    with pytest.raises(LinkError, match=f"model.onnx: the server answers {status}"):
        get()
    assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again(get, server):
    """A 503 passes."""
    server.statuses = [503, 503]
    assert get() == BODY


def test_an_unreachable_server_is_named(tmp_path):
    """No listener: the host is named, and how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/m"
    with pytest.raises(LinkError, match=r"127\.0\.0\.1: cannot be reached .* run the same"):
        fetch(wanted(url), tmp_path / "p", ignore, QUICK)


@pytest.mark.parametrize(
    "url", ["http://example.org/m", "ftp://example.org/m", "file:///etc/passwd"]
)
def test_only_https_leaves_this_machine(url):
    """Plain http is for loopback; nothing else is fetched."""
    with pytest.raises(ModelError, match="https only"):
        check_url(url)


def test_a_redirect_to_plain_http_is_refused(get, server):
    """A redirect must not lead out of TLS."""
    server.redirect = "http://example.org/model.onnx"
    with pytest.raises(ModelError, match="https only"):
        get()


def test_a_part_that_is_already_whole_needs_no_server(get, server):
    """A power cut between the last byte and the rename costs nothing."""
    get()
    asked = len(server.requests)
    assert get() == BODY
    assert len(server.requests) == asked


def test_two_processes_do_not_write_one_part(get, server, tmp_path):
    """The second one says who is in the way."""
    url = f"{server.url}/model.onnx"
    part = part_path(tmp_path / "model.onnx", url)
    with download._open(part), pytest.raises(LinkError, match="another process"):
        get()


def test_a_full_disk_calls_the_operator(get, monkeypatch):
    """Room is looked for before the first byte."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OperatorError, match="make room"):
        get()


def test_a_folder_that_cannot_be_made_calls_the_operator(tmp_path, server):
    """A path through a file is an error with a remedy, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be written"):
        fetch(wanted(server.url), tmp_path / "file" / "p", ignore, QUICK)
