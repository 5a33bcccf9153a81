"""The supervisor with two fake programs, all of them real processes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edged.daemon.supervisor import Backoff
from edged.privacy.launch import launched

ROOT = Path(__file__).parents[2]
FAKE = str(ROOT / "tests" / "fakes" / "program.py")
DRIVER = """
import functools, json, pathlib, sys
from edged.daemon.child import Program
from edged.daemon.supervisor import Backoff, Supervisor
folder, backoff, programs = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
say = functools.partial(print, flush=True)
programs = [Program(**{**one, "argv": tuple(one["argv"])}) for one in programs]
sys.exit(Supervisor(programs, pathlib.Path(folder), backoff=Backoff(**backoff), say=say).run())
"""
PATIENCE_S = 20


def fake(name, *words, before=(), **settings):
    argv = [*before, sys.executable, FAKE, f"name={name}", *words]
    return {"name": name, "argv": argv, **settings}


class Running:
    """A supervisor in its own process, with its output and its children's as lines."""

    def __init__(self, folder, programs, backoff=None, environment=None):
        backoff = backoff or {"first_s": 0.05, "limit_s": 0.2, "forgive_s": 60}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), json.dumps(backoff), json.dumps(programs)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.lines = []
        self._queue = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._queue.put(line.rstrip())
        self._queue.put(None)

    def until(self, pattern):
        """Wait for a line; its match."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no {pattern!r} in {self.lines}"
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def end(self):
        """Wait for its end; its exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        return code

    def kill_orphans(self):
        """End programs that a failed test has left."""
        while not self._queue.empty():
            self.lines.append(self._queue.get() or "")
        for pid in (int(m[1]) for line in self.lines if (m := re.match(r"<\w+> up (\d+)", line))):
            with contextlib.suppress(OSError):
                if FAKE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    def order(self, *patterns):
        """Whether lines with these patterns came in this order."""
        rest = iter(self.lines)
        return all(any(re.search(pattern, line) for line in rest) for pattern in patterns)


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(*programs, **options):
        started.append(Running(tmp_path, programs, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.kill_orphans()
        one._reader.join(PATIENCE_S)
        one.process.stdout.close()


def gone(pid):
    """Whether a process ends in time; a zombie whose parent is elsewhere counts as ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_start_is_in_order_and_stop_in_reverse(supervise):
    """The uplink starts when the engine is ready, and is stopped before it; exit code 0."""
    run = supervise(fake("engine", "ready=0.3"), fake("uplink", "ready=0"))
    run.until("uplink: ready")
    assert run.order("<engine> up", "engine: loading models", "engine: ready", "uplink: starting")
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 0
    assert run.order("SIGTERM: stopping", "<uplink> bye", "uplink: stopped", "<engine> got SIGTERM",
                     "<engine> bye", "engine: stopped")  # fmt: skip


def test_ctrl_c_reaches_the_supervisor_alone(supervise):
    """SIGINT to the whole terminal group is passed on as one SIGTERM each, in order."""
    run = supervise(fake("engine", "ready=0"), fake("uplink", "ready=0"))
    run.until("uplink: ready")
    engine = int(next(m[1] for line in run.lines if (m := re.match(r"<engine> up (\d+)", line))))
    assert os.getpgid(engine) == engine  # a terminal's Ctrl-C goes to the foreground group
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert not run.order("got SIGINT")


def test_a_crash_is_started_again_with_growing_waits(supervise):
    """A program that keeps crashing waits 1, 2, 4 .. times the first wait, and it is said."""
    run = supervise(
        fake("engine", "ready=0"),
        fake("uplink", "ready=0", "end=0", "code=-9"),
    )
    run.until(r"uplink: ended by SIGKILL after .*; starting again in 0.05 s")
    run.until(r"uplink: ended by SIGKILL after .*, 2 times in a row; starting again in 0.1 s")
    run.until(r"uplink: ended by SIGKILL after .*, 4 times in a row; starting again in 0.2 s")
    assert sum(line.startswith("<engine> up") for line in run.lines) == 1
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 0


def test_a_long_run_forgives_earlier_crashes(supervise):
    """After running long enough the next crash is the first one again."""
    run = supervise(
        fake("engine", "ready=0", "end=0.3"),
        backoff={"first_s": 0.05, "limit_s": 1, "forgive_s": 0.2},
    )
    for _ in range(3):
        run.until(r"engine: ended with exit code 1 after [\d.]+ s; starting again in 0.05 s")


def test_waits_are_one_to_thirty_seconds():
    """The waits of a program that never stays up: 1, 2, 4, 8, 16, then 30 s."""
    waits = [Backoff().delay_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 1000)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_configuration_error_stops_everything(supervise):
    """A child that exits 78 is not started again: all stop, with its message and its code."""
    run = supervise(
        fake("engine", "ready=0"),
        fake("uplink", "ready=0", "end=0", "code=78", "status=broker.tls: required"),
    )
    assert run.end() == 78
    assert run.order("uplink: ended with exit code 78; a new start would not help: in place",
                     "<engine> bye", "engine: stopped")  # fmt: skip


@pytest.mark.parametrize(("code", "ready"), [(66, False), (71, False), (66, True), (71, True)])
def test_a_missing_model_is_final_only_at_the_first_start(supervise, code, ready):
    """66 and 71 end everything before the first READY; later they are tried again."""
    words = ["ready=0"] if ready else []
    run = supervise(fake("engine", *words, "end=0.05", f"code={code}", "status=det_10g is absent"))
    if ready:
        run.until(rf"engine: ended with exit code {code} .* starting again")
    else:
        assert run.end() == code
        assert run.order("a new start would not help: det_10g is absent")


def test_a_program_that_cannot_be_started_is_named(supervise):
    """A command that is not there ends everything with 127 and says which."""
    run = supervise({"name": "engine", "argv": ["/nowhere/edged"]})
    assert run.end() == 127
    assert run.order("engine: .*/nowhere/edged")


def test_the_uplink_starts_although_the_engine_fails(supervise):
    """An engine that crashes before it was ever ready does not keep the uplink from saying so."""
    run = supervise(fake("engine", "end=0"), fake("uplink", "ready=0"))
    run.until("uplink: ready")
    assert run.order("engine: ended", "uplink: starting")


def test_the_uplink_starts_although_the_engine_takes_long(supervise):
    """After hold_next_s the next program starts, ready or not."""
    run = supervise(fake("engine", hold_next_s=0.2), fake("uplink", "ready=0"))
    run.until("uplink: ready")
    assert not run.order("engine: ready")


def test_what_does_not_stop_is_killed_at_its_deadline(supervise):
    """A deaf program is killed when its time is up, the others stop well, exit code 1."""
    run = supervise(fake("engine", "ready=0"), fake("uplink", "ready=0", "stop=deaf", stop_s=0.3))
    run.until("uplink: ready")
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 1
    assert run.order(
        "uplink: still there after 0.3 s, killing it", "uplink: stopped", "engine: stopped"
    )


def test_a_second_signal_kills_at_once(supervise):
    """The second SIGTERM does not wait for deadlines."""
    run = supervise(fake("engine", "ready=0", "stop=deaf", stop_s=600))
    run.until("engine: ready")
    run.process.send_signal(signal.SIGTERM)
    run.until("<engine> got SIGTERM")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 1
    assert run.order("SIGINT again: killing what is left")


def test_an_error_at_the_stop_is_the_exit_code(supervise):
    """A program that ends its stop with an error gives the whole its code."""
    run = supervise(fake("engine", "ready=0", "exit=70"))
    run.until("engine: ready")
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 70


@pytest.mark.parametrize("mode", ["off", "namespace", "seccomp"])
def test_no_orphan_when_the_supervisor_is_killed(supervise, mode):
    """A kill -9 of the supervisor takes its children along, also from inside a namespace."""
    before = launched(mode, [])
    run = supervise(
        fake("engine", "ready=0", before=before), fake("uplink", "ready=0", "stop=deaf")
    )
    run.until("uplink: ready")
    pids = [int(m[1]) for line in run.lines if (m := re.match(r"<\w+> up (\d+)", line))]
    run.process.kill()
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_leftovers_of_a_crashed_program_are_killed(supervise):
    """What a crashed child had started itself does not outlive it."""
    body = """
import os, subprocess
print("<x>", subprocess.Popen(["sleep", "60"]).pid, flush=True)
os._exit(9)
"""
    run = supervise({"name": "engine", "argv": [sys.executable, "-c", body]})
    left = int(run.until(r"<x> (\d+)")[1])
    run.until("engine: ended with exit code 9")
    assert gone(left)


def test_a_silent_program_is_ended_and_started_again(supervise):
    """Having petted its watchdog once, a program that falls silent is restarted."""
    run = supervise(fake("engine", "ready=0", "pet=1", watchdog_s=0.3))
    run.until("engine: no sign of life for 0.3 s")
    run.until("engine: ended by SIGABRT")
    run.until("<engine> up")


def test_a_program_that_never_petted_is_left_alone(supervise):
    """The watchdog begins with the first sign of life, however long the start takes."""
    run = supervise(
        fake("engine", "ready=0", watchdog_s=0.05), fake("uplink", "ready=0.5", "end=0")
    )
    run.until("uplink: ended")
    assert not run.order("no sign of life")


def test_a_crashed_program_is_not_watched_while_it_waits(supervise):
    """A wait longer than the watchdog is no silence: nothing is ended that does not run."""
    run = supervise(
        fake("engine", "ready=0", "pet=1", "end=0", watchdog_s=0.2),
        backoff={"first_s": 0.6, "limit_s": 0.6, "forgive_s": 60},
    )
    run.until("starting again in 0.6 s")
    run.until("engine: starting")
    assert not run.order("no sign of life")


def test_words_of_a_predecessor_do_not_count(supervise):
    """After a crash the successor must say READY itself."""
    run = supervise(fake("engine", "ready=0", "end=0"), fake("uplink", "ready=0"))
    run.until("engine: ready")
    run.until("engine: ended")
    run.until("engine: starting")
    run.until("engine: ready")


def test_its_own_manager_is_told(supervise, tmp_path):
    """Under systemd the supervisor says READY when all run, and STOPPING at the end."""
    path = tmp_path / "manager"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE_S)
        run = supervise(
            fake("engine", "ready=0"),
            fake("uplink", "ready=0"),
            environment={"NOTIFY_SOCKET": str(path)},
        )
        assert manager.recv(4096).splitlines()[0] == b"READY=1"
        assert "uplink: ready" in run.until("uplink: ready")[0]
        run.process.send_signal(signal.SIGTERM)
        assert manager.recv(4096) == b"STOPPING=1"
        assert run.end() == 0


def test_hostile_status_text_is_made_harmless(supervise):
    """Control characters of a status line do not reach the terminal."""
    run = supervise(fake("engine", "status=a\x1b[31mb", "ready=0.2"))
    run.until("engine: a .31mb")
