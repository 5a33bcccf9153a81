"""A TCP proxy on the loopback address that fails on command, as networks do.

    with Proxy(broker.port) as proxy:
        ... connect to proxy.port ...
        proxy.cut()      # both sides get RST, new connections are refused
        proxy.heal()

One thread moves all bytes, so that a command holds for every byte after its return.
Knows nothing of what is spoken.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

_CHUNK_BYTES = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # linger on, 0 s: close sends RST


class _Way:
    """Bytes on their way from one socket to another."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        self.source, self.sink, self.up = source, sink, up
        self.waiting = b""
        self.ended = False  # the source has said its last
        self.closed = False  # and the sink knows it


class _Pair:
    """One connection: the device's side and the target's."""

    def __init__(self, device: socket.socket, target: socket.socket) -> None:
        self.sockets = (device, target)
        self.ways = (_Way(device, target, up=True), _Way(target, device, up=False))
        self.lost = False  # half open: what comes is swallowed

    def lose(self) -> None:
        """The target is gone and the device is not told."""
        self.lost = True
        self.ways[1].ended = self.ways[1].closed = True
        for way in self.ways:
            way.waiting = b""
        _abort(self.sockets[1])


class Proxy:
    """Stands between a device and the port of its broker; a context manager.

    Args:
        target_port: where the other side listens, on 127.0.0.1.
        seed: of the damage that :meth:`garble` does.

    Attributes:
        port: to connect to; the same for the life of the proxy.
        moved_bytes: so far, both ways together.
        accepted: connections so far.
        cuts: those that :meth:`cut_after` has made.
    """

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self._target_port = target_port
        self._chance = random.Random(seed)
        self._pairs: list[_Pair] = []
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]]
        self._jobs = queue.SimpleQueue()
        self._wake = os.pipe()
        self._listener: socket.socket | None = None
        self.port = 0
        self.moved_bytes = self.accepted = self.cuts = 0
        self._running = True
        self._calm()
        self._listen()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- what can happen to a network -----------------------------------------------------

    def heal(self) -> None:
        """Work again.  Stalled connections go on, half-open ones are reset."""
        self._do(self._heal)

    def cut(self) -> None:
        """Reset every connection and refuse new ones, until :meth:`heal`."""
        self._do(self._cut)

    def drop(self) -> None:
        """Reset every connection; new ones are welcome."""
        self._do(self._reset_all)

    def cut_after(self, moved_bytes: int) -> None:
        """Cut as soon as so many more bytes have gone up: within a packet."""
        self._do(lambda: setattr(self, "_left_up", moved_bytes))

    def stall(self) -> None:
        """Accept, and move no byte either way; none is lost."""
        self._do(lambda: setattr(self, "_stalled", True))

    def half_open(self) -> None:
        """The target's side is gone, the device's stays open and is never answered."""
        self._do(self._half_open)

    def slow(self, bytes_per_s: float, *, up: bool = True, down: bool = True) -> None:
        """Move no more than so much each of these ways, all connections together."""
        rates = {True: bytes_per_s if up else 0.0, False: bytes_per_s if down else 0.0}
        self._do(lambda: setattr(self, "_rates", rates))

    def garble(self, every_bytes: int, *, up: bool = True, down: bool = True) -> None:
        """Change a byte at random in about every so many of those that pass."""
        self._do(lambda: setattr(self, "_garbling", (every_bytes, up, down)))

    def connections(self) -> int:
        """Open ones, both sides alive."""
        return sum(not pair.lost for pair in list(self._pairs))

    def close(self) -> None:
        """Reset everything and end; harmless when repeated."""
        if self._thread.is_alive():
            self._do(self._end)
            self._thread.join(5)

    # -- the proxy's thread ----------------------------------------------------------------

    def _do(self, job: Callable[[], None]) -> None:
        done = threading.Event()
        self._jobs.put((job, done))
        os.write(self._wake[1], b"!")
        if not done.wait(10):
            raise RuntimeError("the proxy's thread has died")

    def _run(self) -> None:
        while self._running:
            self._move(self._poll())
            with contextlib.suppress(queue.Empty):
                while True:
                    job, done = self._jobs.get_nowait()
                    job()
                    done.set()
        for end in self._wake:
            os.close(end)

    def _poll(self) -> dict[int, int]:
        poller = select.poll()
        wanted = {self._wake[0]: select.POLLIN}
        if self._listener is not None:
            wanted[self._listener.fileno()] = select.POLLIN
        for pair in self._pairs:
            for way in [] if self._stalled else pair.ways:
                if way.waiting and self._allowance(up=way.up) > 0:
                    fd = way.sink.fileno()
                    wanted[fd] = wanted.get(fd, 0) | select.POLLOUT
                elif not way.waiting and not way.ended:
                    fd = way.source.fileno()
                    wanted[fd] = wanted.get(fd, 0) | select.POLLIN
        for fd, events in wanted.items():
            poller.register(fd, events)
        return dict(poller.poll(10 if any(self._rates.values()) else 1000))

    def _move(self, ready: dict[int, int]) -> None:
        if self._wake[0] in ready:
            os.read(self._wake[0], 4096)
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept(self._listener)
        for pair in list(self._pairs):
            if not self._served(pair, ready) or all(way.closed for way in pair.ways):
                self._reset(pair)

    def _served(self, pair: _Pair, ready: dict[int, int]) -> bool:
        """Move what can be moved; False when the connection has broken."""
        try:
            for way in pair.ways:
                self._serve(pair, way, ready)
        except OSError:
            return False
        return True

    def _serve(self, pair: _Pair, way: _Way, ready: dict[int, int]) -> None:
        readable = ready.get(way.source.fileno(), 0) & ~select.POLLOUT
        if readable and not way.ended and not way.waiting:
            data = way.source.recv(_CHUNK_BYTES)
            way.ended = not data
            way.waiting = b"" if pair.lost else self._damaged(data, up=way.up)
        if way.waiting and ready.get(way.sink.fileno(), 0) & ~select.POLLIN:
            room = self._allowance(up=way.up)
            if way.up and self._left_up is not None:
                room = min(room, self._left_up)
            sent = way.sink.send(way.waiting[:room]) if room else 0
            way.waiting = way.waiting[sent:]
            self._account(sent, up=way.up)
        if way.ended and not way.waiting and not way.closed:
            way.closed = True
            if not pair.lost:
                way.sink.shutdown(socket.SHUT_WR)

    def _account(self, sent_bytes: int, *, up: bool) -> None:
        self.moved_bytes += sent_bytes
        if self._rates[up]:
            begun_s = max(self._free_at_s[up], time.monotonic())
            self._free_at_s[up] = begun_s + sent_bytes / self._rates[up]
        if up and self._left_up is not None:
            self._left_up -= sent_bytes
            if self._left_up <= 0:
                self._left_up = None
                self.cuts += 1
                self._cut()

    def _allowance(self, *, up: bool) -> int:
        """Bytes that may move now; a tenth of a second's worth at a time."""
        if not self._rates[up]:
            return _CHUNK_BYTES
        return max(1, int(self._rates[up] / 10)) if time.monotonic() >= self._free_at_s[up] else 0

    def _damaged(self, data: bytes, *, up: bool) -> bytes:
        every_bytes, *ways = self._garbling
        if not every_bytes or not ways[0 if up else 1]:
            return data
        out = bytearray(data)
        for place in range(len(out)):
            if self._chance.random() * every_bytes < 1:
                out[place] ^= self._chance.randrange(1, 256)
        return bytes(out)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            device, _ = listener.accept()
            target = socket.socket()
            pair = _Pair(device, target)
            try:
                if self._swallowing:
                    pair.lose()
                else:
                    target.settimeout(2)
                    target.connect(("127.0.0.1", self._target_port))
                    target.setblocking(False)
                    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                device.setblocking(False)
                device.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                self._reset(pair)
                return
            self._pairs.append(pair)
            self.accepted += 1

    def _listen(self) -> None:
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(16)
            self.port = listener.getsockname()[1]
            self._listener = listener

    def _calm(self) -> None:
        self._stalled = self._swallowing = False
        self._rates = {True: 0.0, False: 0.0}  # by `up`
        self._free_at_s = {True: 0.0, False: 0.0}
        self._left_up: int | None = None
        self._garbling = (0, False, False)

    def _heal(self) -> None:
        self._calm()
        for pair in [pair for pair in self._pairs if pair.lost]:
            self._reset(pair)
        self._listen()

    def _half_open(self) -> None:
        self._swallowing = True
        for pair in self._pairs:
            pair.lose()

    def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._reset_all()

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            self._reset(pair)

    def _reset(self, pair: _Pair) -> None:
        for sock in pair.sockets:
            _abort(sock)
        if pair in self._pairs:
            self._pairs.remove(pair)

    def _end(self) -> None:
        self._cut()
        self._running = False


def _abort(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
