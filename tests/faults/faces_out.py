"""Did a face get out?  Judges every picture that left, in a process of its own.

The process has a lower priority, so that judging lags behind the load and does not slow it;
`settle` waits for it.  Pictures with the same bytes are judged once.  What it says of a
picture are counts and figures; it writes nothing.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import queue
import signal
import time
from collections import Counter

from shots import real_models

WAITING_MOST = 2_000
"""Pictures between load and judge (0.3 MB each): above it the load is held up."""


class FacesOut:
    """A context manager: the judge's process runs inside.

    Any thread may show it pictures.
    """

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self._inbox = context.Queue(WAITING_MOST)
        self._outbox = context.Queue()
        self._process = context.Process(target=_judge, args=(self._inbox, self._outbox))
        self._begin_again()

    def _begin_again(self):
        self._seen, self._judged, self._due = {}, Counter(), 0
        self._held = Counter()

    def __enter__(self):
        self._process.start()
        word, what = self._outbox.get(timeout=120)
        if word != "ready":
            raise RuntimeError(f"the judge does not start: {what}")
        return self

    def __exit__(self, *_exc):
        self._process.terminate()
        self._process.join(10)
        self._inbox.cancel_join_thread()

    @property
    def waiting(self):
        """Pictures that are not judged yet, about."""
        return self._inbox.qsize()

    def begin(self, _kind):
        """Pictures from now on belong to another kind."""
        self._begin_again()

    def look(self, place, data, shape=None):
        """Judge a picture when there is time.

        Args:
            place: "broker", "view" or "reply".
            data: a JPEG's bytes, or uint8 BGR pixels.
            shape: (h, w, 3) of pixels.
        """
        self._judged[place] += 1
        key = hashlib.blake2b(data, digest_size=16).digest()
        if key in self._seen:
            self._seen[key].add(place)
            return
        self._seen[key] = {place}
        self._due += 1
        self._inbox.put((key, data, shape))

    def settle(self, timeout_s=600.0):
        """Wait until everything shown is judged.

        Returns:
            (pictures by place, a list of (places, what was seen) with an entry for each input
            face that a picture shows, and a count of what was held against input faces:
            `faces` that the detector found, and `places` where a face went in).

        Raises:
            AssertionError: the judge has died, or is not done in time.
        """
        deadline, escapes = time.monotonic() + timeout_s, []
        while self._due:
            assert self._process.is_alive(), "the judge has died"
            assert time.monotonic() < deadline, f"{self._due} pictures are not judged"
            try:
                key, found = self._outbox.get(timeout=1)
            except queue.Empty:
                continue
            self._due -= 1
            assert found is not None, "a picture could not be judged"
            places = "+".join(sorted(self._seen[key]))
            sentences, faces, spots = found
            self._held += Counter(faces=faces, places=spots)
            escapes += [(places, how) for how in sentences]
        return self._judged, escapes, self._held


def _judge(inbox, outbox):
    """The process: judges what comes, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is its parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # its parent's way to end it
    os.nice(10)
    try:
        from faults.bench import Bench

        bench = Bench(real_models())
    except Exception as error:  # noqa: BLE001 - said by the parent
        outbox.put(("broken", repr(error)))
        return
    outbox.put(("ready", None))
    while True:
        key, data, shape = inbox.get()
        try:
            found = bench.escapes(data, shape)
        except Exception:  # noqa: BLE001 - counted as not judged, which fails the run
            found = None
        outbox.put((key, found))
