"""From inside the engine, by its own Python: what can be reached, in each way it is kept in.

The engine is real and at work while its own process tries every way out; what listens on
the host says what arrived.  `off` is the control: there the same attempts succeed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from booth import Booth, until
from fakes import probe
from mosquitto import free_port
from shots import QUICK, face, real_models
from unit_sandbox import Unit

from edged.transport.client import FrameClient
from edged.transport.lan import LISTENER_FD, open_listener

pytestmark = pytest.mark.timeout(300)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="puts a socket into /run")
LISTENING = {"tcp, 127.0.0.1", "tcp, ::1", "abstract stream"}
DATAGRAMS = {"udp, 127.0.0.1", "udp, ::1", "abstract datagram"}
NO_NETWORK = {"ENETUNREACH", "EAFNOSUPPORT", "ECONNREFUSED", "EPERM", "EACCES", "ENOENT"}


class Host:
    """What listens on the machine; a context manager.

    Args:
        further: whether the probe may try other machines and routes, too.

    Attributes:
        at: for :func:`probe.probe`.
    """

    def __init__(self, *, further=True):
        self._stack, self._further = contextlib.ExitStack(), further

    def __enter__(self):
        name = f"edged-probe-{os.getpid()}"
        self._receivers = {
            "udp, 127.0.0.1": self._bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "udp, ::1": self._bound(socket.AF_INET6, socket.SOCK_DGRAM, ("::1", 0)),
            "abstract datagram": self._bound(socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{name}-d"),
        }
        four = self._bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        six = self._bound(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))
        self._bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}-s")
        ports = {n: s.getsockname()[1] for n, s in self._receivers.items() if "udp" in n}
        self.at = {
            "tcp4": four.getsockname()[1], "tcp6": six.getsockname()[1],
            "udp4": ports["udp, 127.0.0.1"], "udp6": ports["udp, ::1"],
            "stream": f"{name}-s", "datagram": f"{name}-d", "paths": {}, "pid": os.getpid(),
            "further": self._further,
        }  # fmt: skip
        return self

    def __exit__(self, *_exc):
        self._stack.close()

    def _bound(self, family, kind, address):
        sock = self._stack.enter_context(socket.socket(family, kind))
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        return sock

    def in_run(self):
        """A socket of another service in /run, where this user may make one."""
        folder = Path(tempfile.mkdtemp(prefix="edged-other-", dir="/run"))
        self._stack.callback(shutil.rmtree, folder)
        self._bound(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "bus"))
        self.at["paths"]["another service in /run"] = str(folder / "bus")

    def received(self):
        """Ways by which a datagram arrived since the last look."""
        found = set()
        for name, sock in self._receivers.items():
            with contextlib.suppress(BlockingIOError):
                while sock.recv(100) == probe.TOKEN:
                    found.add(name)
        return found


@contextlib.contextmanager
def probing(folder, isolation, prefix=(), environment=None):
    """A booth with a listener for LAN cameras, whose engine probes when it is asked."""
    shutil.copy(probe.__file__, folder / "sitecustomize.py")
    port = free_port()
    extra = f'{QUICK}\n[frames.lan]\nlisten = "127.0.0.1:{port}"\ncurve = false\n'
    environment = {"PYTHONPATH": str(folder), "EDGED_PROBE": str(folder), **(environment or {})}
    pass_fds = ()
    with contextlib.ExitStack() as stack:
        if prefix:  # as edged-frames.socket does for a unit
            listener = stack.enter_context(open_listener(f"127.0.0.1:{port}"))
            pass_fds = (listener.fileno(),)
            environment[LISTENER_FD] = str(listener.fileno())
        device = Booth(
            folder, models=real_models(), extra=extra, isolation=isolation, consumer=False,
            prefix=prefix, environment=environment, pass_fds=pass_fds,
        )  # fmt: skip
        booth = stack.enter_context(device)
        booth.camera = stack.enter_context(FrameClient(f"tcp://127.0.0.1:{port}", timeout_s=60))
        yield booth


def asked(booth, host):
    """What the engine's own process says, with a shot of a LAN camera before and after."""
    assert booth.camera.send_shot(face(1), camera="quick").verdict.verdict == "queued"
    (booth.folder / "part").write_text(json.dumps(host.at))
    (booth.folder / "part").rename(booth.folder / "ask")
    until((booth.folder / "said").exists, 60, "the engine's process has tried everything")
    assert booth.camera.send_shot(face(2), camera="quick").verdict.verdict == "queued"
    return json.loads((booth.folder / "said").read_text())


def mode_of(booth):
    return booth.ask("status").data["info"]["isolation"]["mode"]


@pytest.mark.parametrize("mode", ["namespace", "seccomp"])
def test_an_engine_that_is_kept_in_reaches_nothing(tmp_path, mode):
    """No listener, no address, no abstract socket; no socket but a local one can be made."""
    with Host() as host, probing(tmp_path, mode) as booth:
        said = asked(booth, host)
        assert mode_of(booth) == mode
        # Abstract sockets belong to a network namespace; the filter alone leaves them.
        left = set() if mode == "namespace" else {"abstract stream", "abstract datagram"}
        reached = {way for way, what in said["ways"].items() if what in {"REACHED", "sent", "made"}}
        assert reached == left
        assert said["families"] == [socket.AF_UNIX]
        assert host.received() == left & DATAGRAMS


def test_an_engine_that_is_not_kept_in_reaches_it_all(tmp_path):
    """The control: the same attempts by the same process succeed, and `info` says `off`.

    It tries nothing beyond this machine: that would really go out.
    """
    with Host(further=False) as host, probing(tmp_path, "off") as booth:
        said = asked(booth, host)
        assert mode_of(booth) == "off"
        ways = said["ways"]
        assert {way for way, what in ways.items() if what == "REACHED"} >= LISTENING
        assert host.received() == DATAGRAMS
        assert {socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK} <= set(said["families"])


@pytest.fixture
def unit(tmp_path, program, checkout):
    """edged-engine.service, with the test's own folders in the place of its."""
    program("bwrap")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        models = [real_models()] if real_models() else []
        yield Unit.read(
            checkout / "systemd" / "edged-engine.service",
            sources={"/run/edged": tmp_path / "run", "/run/systemd/notify": tmp_path / "notify"},
            keep=[checkout, Path(sys.prefix), Path(sys.base_prefix), *models],
            writable=[tmp_path],
        )


@AS_ROOT
def test_the_unit_s_engine_reaches_nothing_and_sees_no_other_service(tmp_path, unit):
    """As the unit starts it: neither with its filter, nor with its namespaces alone."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Host())
        host.in_run()
        environment = {"NOTIFY_SOCKET": "/run/systemd/notify"}
        booth = stack.enter_context(probing(tmp_path, "namespace", unit.prefix(), environment))
        said = asked(booth, host)
        info = booth.ask("status").data["info"]["isolation"]
        assert info["mode"] == "namespace"
        assert info["proof"]["inherited_sockets"].startswith("listener fd ")
        assert set(said["ways"].values()) <= NO_NETWORK, said["ways"]
        assert said["families"] == [socket.AF_UNIX]
        assert set(said["run"]) == {"edged", "systemd"}
        assert host.received() == set()
        tree = psutil.Process(booth.engine.pid).children(recursive=True)
        (engine,) = (p for p in tree if "engine" in p.cmdline())
        assert {str(Path(f"/proc/{p.pid}/ns/net").readlink()) for p in tree} == {
            info["proof"]["netns"]
        }
        alone = run_probe(["nsenter", "-t", str(engine.pid), "-n", "-m", "--"], host)
        reached = {way for way, what in alone["ways"].items() if what == "REACHED"}
        assert reached == set()
        assert socket.AF_INET in alone["families"]  # nothing but the namespaces holds it
        assert host.received() == set()


def run_probe(prefix, host):
    """The probe by the engine's Python, somewhere else."""
    at = {name: what for name, what in host.at.items() if name != "pid"}
    done = subprocess.run(
        [*prefix, sys.executable, probe.__file__, json.dumps(at)],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


@AS_ROOT
@pytest.mark.parametrize(
    ("left_out", "reached"),
    [
        (["PrivateNetwork", "RestrictAddressFamilies"], LISTENING),
        (["PrivateNetwork"], {"abstract stream"}),
        (["TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths"], {"another service in /run"}),
        ([], set()),
    ],
)
def test_each_line_of_the_unit_is_what_holds_it(tmp_path, unit, left_out, reached):
    """Without a line, a program that is started so reaches what the line is there for."""
    (tmp_path / "run").mkdir()
    for name in left_out:
        del unit.keys[name]
    with Host(further=False) as host:
        host.in_run()
        ways = run_probe(unit.prefix(), host)["ways"]
    assert {way for way, what in ways.items() if what == "REACHED"} == reached


def test_a_line_that_nobody_has_thought_about_is_noticed(unit):
    """So that the test's start and the unit cannot drift apart."""
    unit.keys["PrivateIPC"] = ["yes"]
    with pytest.raises(AssertionError, match="PrivateIPC"):
        unit.prefix()
