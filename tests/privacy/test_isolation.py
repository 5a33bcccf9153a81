"""Each mode seen from inside a process that really is in it."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from edged.errors import OperatorError
from edged.privacy import evidence, isolation
from edged.privacy.isolation import Isolation
from edged.privacy.launch import launched

ROOT = Path(__file__).parents[2]
BOTH = ("namespace", "seccomp")


def inside(mode, body, *, env=None, **options):
    """Run Python code shut in; its `answer` comes back, or the whole process if it fails."""
    program = f"import json, os, socket, sys\nanswer = None\n{body}\nprint(json.dumps(answer))\n"
    done = subprocess.run(
        launched(mode, [sys.executable, "-c", program]),
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@functools.cache
def given(mode):
    """Whether this machine gives a mode; only the machine's refusal counts, not a bug."""
    done = subprocess.run(
        launched(mode, [sys.executable, "-c", ""]),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, OperatorError.exit_code), done.stderr
    return done.returncode == 0


def need(mode):
    if not given(mode):
        assert not os.environ.get("CI"), f"{mode} must be possible where CI runs"
        pytest.skip(f"this machine gives no {mode}")


CHECK = """
from edged.privacy import evidence, isolation
found = isolation.check()
answer = [found.mode, found.proof]
"""


@pytest.mark.parametrize("mode", [*BOTH, "off"])
def test_a_process_sees_the_mode_it_is_in(mode):
    """What the launcher gave is what check() finds, with the proof that belongs to it."""
    need(mode)
    found, proof = inside(mode, CHECK)
    assert found == mode
    assert proof["inherited_sockets"] == "none"
    assert (proof["netns"] != proof["launcher_netns"]) == (mode == "namespace")
    if mode == "namespace":
        assert proof["interfaces"].startswith("lo")
        assert proof["routes"] == "none"
    if mode != "off":
        assert proof["io_uring"] == "denied"
        assert proof["sockets_refused"] == "inet, inet6, netlink, packet, vsock"


@pytest.mark.parametrize("mode", BOTH)
def test_a_listener_of_the_host_is_out_of_reach(mode):
    """A process that is shut in cannot reach a TCP port that is open right beside it."""
    need(mode)
    body = """
try:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=5)
except OSError as error:
    answer = error.errno
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
            pass  # it is open
        assert inside("off", body, env={"PORT": port}) is None
        assert inside(mode, body, env={"PORT": port}) is not None


NAMESPACE_ALONE = """
from edged.privacy import evidence, isolation
isolation.enter_namespace()
with socket.socket() as sender:
    sender.settimeout(5)
    answer = sender.connect_ex(("127.0.0.1", int(os.environ["PORT"])))
"""


def test_the_namespace_holds_without_the_filter():
    """Sockets can be made in the namespace alone, and still reach nothing."""
    need("namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = inside("off", NAMESPACE_ALONE, env={"PORT": str(server.getsockname()[1])})
    assert code != 0


@pytest.mark.parametrize("mode", BOTH)
def test_zeromq_ipc_works_inside(mode, tmp_path):
    """A 6 MB message goes both ways over ipc:// between the host and a shut-in process."""
    need(mode)
    endpoint = f"ipc://{tmp_path}/z.sock"
    body = f"""
import zmq
peer = zmq.Context().socket(zmq.REP)
peer.rcvtimeo = peer.sndtimeo = 20000
peer.connect("{endpoint}")
frame = peer.recv()
peer.send(frame[::-1])
peer.close()
peer.context.term()
answer = len(frame)
"""
    frame = os.urandom(1920 * 1080 * 3)
    with zmq.Context() as context, context.socket(zmq.REQ) as sender:
        sender.linger = 0
        sender.rcvtimeo = sender.sndtimeo = 20_000
        sender.bind(endpoint)
        done = subprocess.Popen(
            launched(mode, [sys.executable, "-c", body]), cwd=ROOT, env={**os.environ}
        )
        try:
            sender.send(frame)
            assert sender.recv() == frame[::-1]
        finally:
            assert done.wait(20) == 0


@pytest.mark.parametrize("mode", BOTH)
def test_health_figures_work_inside(mode):
    """What health reads by psutil is there: load, memory, own process, disk, uptime."""
    need(mode)
    body = """
import psutil
own = psutil.Process()
answer = {
    "cpu": psutil.cpu_percent(interval=0.01), "load": psutil.getloadavg()[0],
    "memory": psutil.virtual_memory().total, "rss": own.memory_info().rss,
    "own": own.cpu_percent(), "threads": own.num_threads(), "files": own.num_fds(),
    "disk": psutil.disk_usage("/").total, "boot": psutil.boot_time(),
    "children": len(own.children()), "net": len(psutil.net_io_counters(pernic=True)),
}
"""
    figures = inside(mode, body)
    assert figures["memory"] > 0
    assert figures["rss"] > 1_000_000
    assert figures["disk"] > 0
    assert figures["threads"] >= 1


def test_models_and_pictures_work_under_the_filter():
    """numpy, OpenCV, SQLite, AES and threads do not notice that the network is gone."""
    body = """
import concurrent.futures, multiprocessing, sqlite3
import cv2, numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
ok, jpeg = cv2.imencode(".jpg", np.zeros((720, 1280, 3), np.uint8))
key = AESGCM(AESGCM.generate_key(256))
sealed = key.encrypt(b"0" * 12, jpeg.tobytes(), None)
table = sqlite3.connect(":memory:").execute("select length(?)", (sealed,)).fetchone()[0]
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    total = sum(pool.map(len, [sealed] * 8))
left, right = socket.socketpair()
left.send(b"x")
answer = [ok, table == len(sealed), total == 8 * table, right.recv(1) == b"x"]
"""
    assert inside("seccomp", body) == [True] * 4


def test_an_ordinary_user_keeps_files_and_groups():
    """As nobody, with a user namespace: own ids, access by a supplementary group, no powers."""
    need("namespace")
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    node = Path("/dev/shm/edged-group-test")  # /dev/nvmap in small: one group may read it
    body = f"""
from edged.privacy import evidence, isolation
os.setgroups([44]); os.setgid(65534); os.setuid(65534)
isolation.apply("namespace")
powers = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")]
own = os.stat(f"/proc/{{os.getpid()}}/task").st_uid
answer = [isolation.check().mode, os.getuid(), os.getgid(), open("{node}").read(), powers]
"""
    node.write_text("access")
    try:
        os.chown(node, 0, 44)
        node.chmod(0o040)
        answer = inside("off", body)
    finally:
        node.unlink()
    assert answer == ["namespace", 65534, 65534, "access", ["0000000000000000"]]


def test_an_inherited_listener_serves_and_another_socket_counts_as_network():
    """A LAN listener may be inherited; a socket that could speak first makes the mode "off"."""
    need("namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.fileno()
        found, proof = inside("namespace", CHECK, pass_fds=[number])
        assert (found, proof["inherited_sockets"]) == ("namespace", f"listener fd {number}")
        with socket.create_connection(server.getsockname()) as speaker:
            found, proof = inside("namespace", CHECK, pass_fds=[speaker.fileno()])
            assert (found, proof["inherited_sockets"]) == ("off", f"socket fd {speaker.fileno()}")


def test_a_listener_of_the_launcher_is_served_from_inside():
    """A camera on the LAN reaches the engine by the listener that its launcher opened."""
    need("namespace")
    body = """
server = socket.socket(fileno=int(os.environ["LISTENER"]))
server.settimeout(20)
peer, _ = server.accept()
with peer:
    peer.sendall(peer.recv(5).upper())
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.fileno()
        child = subprocess.Popen(
            launched("namespace", [sys.executable, "-c", f"import os, socket\n{body}"]),
            cwd=ROOT,
            env={**os.environ, "LISTENER": str(number)},
            pass_fds=[number],
        )
        with socket.create_connection(server.getsockname(), timeout=20) as camera:
            camera.sendall(b"frame")
            assert camera.recv(5) == b"FRAME"
        assert child.wait(20) == 0


def test_there_is_no_way_back():
    """setns, io_uring, ptrace and taking another process's socket are refused inside."""
    need("namespace")
    body = """
import errno
from edged.privacy import linux
answer = {}
here = os.open("/proc/self/ns/net", os.O_RDONLY)
calls = {"setns": (here, 0), "io_uring_setup": (1, 0), "ptrace": (16, os.getppid(), 0, 0),
         "pidfd_getfd": (0, 0, 0)}
for name, arguments in calls.items():
    try:
        linux.syscall(name, *arguments)
    except OSError as error:
        answer[name] = errno.errorcode[error.errno]
"""
    assert inside("namespace", body) == dict.fromkeys(
        ("setns", "io_uring_setup", "ptrace", "pidfd_getfd"), "EPERM"
    )


def test_less_than_asked_for_is_refused():
    """require() accepts the mode asked for or a stronger one and refuses a weaker one."""
    modes = ("off", "seccomp", "namespace")
    for wanted in modes:
        for mode in modes:
            found = Isolation(mode, {"interfaces": "eth0 up"})
            if modes.index(mode) >= modes.index(wanted):
                isolation.require(wanted, found)
            else:
                with pytest.raises(OperatorError, match=r"eth0 up.*edged run"):
                    isolation.require(wanted, found)


def test_a_refused_namespace_leaves_the_process_as_it_was():
    """Where namespaces are forbidden apply() says what to do, and seccomp is still possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can take the namespaces away first")
    body = """
from edged.errors import OperatorError
from edged.privacy import isolation, linux
os.setgid(65534); os.setuid(65534)
def refuse(flags):
    raise PermissionError(1, "unshare: Operation not permitted")
linux.unshare = refuse
before = isolation.netns()
try:
    isolation.apply("namespace")
except OperatorError as error:
    answer = ["systemd unit" in str(error), 'mode = "seccomp"' in str(error)]
isolation.apply("seccomp")
answer += [isolation.netns() == before, os.getuid(), isolation.check().mode]
"""
    assert inside("off", body) == [True, True, True, 65534, "seccomp"]


def test_a_container_without_a_network_will_do():
    """Where no namespace can be made, one that is empty already is accepted for one."""
    need("namespace")
    body = f"""
from edged.privacy import launch, linux
def refuse(flags):
    raise PermissionError(1, "unshare: Operation not permitted")
linux.unshare = refuse
check = {CHECK!r} + "\\nimport json; print(json.dumps(answer))"
launch.main(["namespace", "--", sys.executable, "-c", check])
"""
    found, proof = inside("namespace", body)
    assert found == "namespace"
    assert proof["launcher_netns"] == "unknown"


@pytest.mark.parametrize(
    ("interfaces", "routes", "mode"),
    [
        ({"lo": False}, [], "namespace"),
        ({"lo": True}, [], "namespace"),  # as PrivateNetwork=yes leaves it
        ({"lo": False, "sit0": False, "tunl0": False}, [], "namespace"),
        ({"lo": False, "sit0": True}, [], "off"),
        ({"lo": True, "eth0": False}, [], "off"),  # unplugged is not isolated
        ({"lo": True}, ["eth0"], "off"),
        ({"lo": True}, None, "off"),
        (None, [], "off"),
    ],
)
def test_only_an_empty_namespace_counts(monkeypatch, interfaces, routes, mode):
    """Loopback and the kernel's own sleeping tunnels are empty; all else, or unknown, is not."""
    for name, value in {
        "interfaces": interfaces, "routes": routes, "inherited_sockets": [],
        "refused_sockets": {"inet": False}, "filtered": True, "makes_ring": False,
    }.items():  # fmt: skip
        monkeypatch.setattr(evidence, name, lambda value=value: value)
    assert isolation.check("net:[1]").mode == mode
    assert isolation.check(isolation.netns()).mode == "off", "the launcher's own network"


@pytest.mark.parametrize("hole", ["filtered", "makes_ring", "refused_sockets"])
def test_a_hole_in_the_filter_counts(monkeypatch, hole):
    """A thread without a filter, io_uring, or one kind of socket that can be made: "off"."""
    state = {
        "interfaces": {"lo": True, "eth0": True}, "routes": ["eth0"], "inherited_sockets": [],
        "refused_sockets": {"inet": True, "vsock": True}, "filtered": True, "makes_ring": False,
    }  # fmt: skip
    for name, value in state.items():
        monkeypatch.setattr(evidence, name, lambda value=value: value)
    assert isolation.check("").mode == "seccomp"
    broken = {"filtered": False, "makes_ring": True, "refused_sockets": {"inet": True, "vsock": 0}}
    monkeypatch.setattr(evidence, hole, lambda: broken[hole])
    assert isolation.check("").mode == "off"
