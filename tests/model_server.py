"""A server of model files on loopback that can misbehave in every way that matters."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """How the server answers; tests change it between and during requests.

    `cuts`: bytes of the body after which the connection is cut, one for each request, in
    order.  `claims`: what Content-Length says instead of the truth.  `redirect`: where to
    send everybody.  `statuses`: answers before the first good one.  `pace_s`: pause after each
    100 kB.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    claims: int | None = None
    ranges: bool = True
    etags: bool = True
    wrong_range: bool = False
    redirect: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    pace_s: float = 0.0
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    """Answers as `how` says; a subclass of each server carries its own."""

    protocol_version = "HTTP/1.1"
    how: Behaviour

    def log_message(self, *_):
        pass

    def do_GET(self):
        how = self.how
        how.requests.append((self.path, self.headers.get("Range", "")))
        body = how.files.get(self.path.rpartition("/")[2])
        if how.redirect:
            self._say(302, {"Location": how.redirect})
        elif how.statuses:
            self._say(how.statuses.pop(0))
        elif body is None:
            self._say(404)
        else:
            self._serve(body)

    def _serve(self, body):
        how, total = self.how, len(body)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        start = self._start(tag)
        if start and start >= total:
            self._say(416, {"Content-Range": f"bytes */{total}"})
            return
        headers = {"ETag": tag} if how.etags else {}
        if start:
            shown = 0 if how.wrong_range else start
            headers["Content-Range"] = f"bytes {shown}-{total - 1}/{total}"
        rest = body[start:]
        headers["Content-Length"] = str(len(rest) if how.claims is None else how.claims)
        self._say(206 if start else 200, headers, rest)

    def _start(self, tag):
        wanted = self.headers.get("Range", "")
        same = self.headers.get("If-Range", tag) == tag
        if not self.how.ranges or not wanted or not same:
            return 0
        return int(wanted.removeprefix("bytes=").partition("-")[0])

    def _say(self, status, headers=None, body=b""):
        how = self.how
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if how.cuts and body:
            body = body[: how.cuts.pop(0)]
            self.close_connection = True
        if how.claims is not None:
            self.close_connection = True
        how.sent += len(body)
        with contextlib.suppress(OSError):
            for start in range(0, len(body), 100_000):
                self.wfile.write(body[start : start + 100_000])
                self.wfile.flush()
                time.sleep(how.pace_s)


@contextlib.contextmanager
def serving() -> Iterator[Behaviour]:
    """A running server and its behaviour; `url` is its base address."""
    how = Behaviour()
    handler = type("Handler", (_Handler,), {"how": how})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    how.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield how
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
