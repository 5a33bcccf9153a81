"""After a purge and an end, nothing of any visit is in any file: a search of everything.

Searched: state and run folder, logs, temporary folder, working folder (where a core would
be written) and shared memory, as bytes and through the keys that are left.  The same
search finds the visits before the purge, and in the core of an engine that is not hardened.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
import traces
from booth import Booth, until
from photos import astronaut
from shots import QUICK, real_models, say

from edged.config import load
from edged.daemon.assemble import assemble
from edged.pipeline.parts import Job
from edged.stages import embed
from edged.transport.wire import ConsentEntry

pytestmark = pytest.mark.timeout(300)

STREET = """
[cameras.street]
scene = "street"
[scenes.street]
mode = "disguise"
identities = ["actor"]
share_identities = true
publish_every_s = 0.2
"""
CONSENT, OTHER = "visit-8be2-1107", "visit-77ac-2209"
VISITS = {
    "disguise": {"camera": "quick"},
    "portrait 1": {"camera": "booth", "scene": "poster", "consent": [CONSENT]},
    "portrait 2": {"camera": "booth", "scene": "poster", "consent": [CONSENT]},
    "another's portrait": {"camera": "booth", "scene": "poster", "consent": [OTHER]},
    "passer-by": {"camera": "street"},
}
"""Who came, and how each was sent; the last is a frame of a stream."""
RAW = {"photo's JPEG blocks", "photo's rows, BGR", "photo's rows, RGB", "photo's digest"}
EMBEDDING = {"embedding, float32", "embedding, float16", "embedding, float32, big-endian"}
CORES = Path("/proc/sys/kernel/core_pattern")
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
PLAIN_USER = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
"""Root without any capability passes the same checks as any user with processes of its own."""

PEEK = """
import ctypes, json, sys
pid, doors = int(sys.argv[1]), []
libc = ctypes.CDLL(None, use_errno=True)
for name in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{pid}/{name}", "rb").close()
        doors.append(name)
    except OSError:
        pass
class Vector(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_size_t))
near, far = Vector(ctypes.cast(ctypes.create_string_buffer(1), ctypes.c_void_p), 1), Vector(4096, 1)
if libc.process_vm_readv(pid, ctypes.byref(near), 1, ctypes.byref(far), 1, 0) != -1 \
        or ctypes.get_errno() == 14:  # EFAULT: it was let in and the address is no good
    doors.append("process_vm_readv")
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:  # what gcore and gdb begin with
    doors.append("ptrace")
print(json.dumps(doors))
"""


def photo(name: str) -> bytes:
    """A visitor's picture as a camera's JPEG; no two share their pixels."""
    number = list(VISITS).index(name)
    image = cv2.convertScaleAbs(astronaut(), alpha=1 - 0.02 * number, beta=3 * number)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes()


def booth_in(folder, **options):
    """A device with working and temporary folders of its own."""
    for name in ("cwd", "tmp"):
        (folder / name).mkdir()
    environment = {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "cwd")}
    return Booth(
        folder, models=real_models(), extra=QUICK + STREET, cwd=folder / "cwd",
        environment=environment, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def vectors(tmp_path_factory, test_models):
    """Every vector that the engine's pipeline makes of each visitor, from a twin of it."""
    assert test_models == real_models()
    config = load(booth_in(tmp_path_factory.mktemp("twin")).config)
    made: dict[str, list[np.ndarray]] = {}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        kit = assemble(config, stack)
        raw = embed.Embedder.raw
        patch.setattr(embed.Embedder, "raw", lambda *args: keep(raw(*args)))
        for name, how in VISITS.items():
            said = made.setdefault(name, [])
            keep = lambda found, said=said: said.extend(found) or found  # noqa: E731
            image = cv2.imdecode(np.frombuffer(photo(name), np.uint8), cv2.IMREAD_COLOR)
            camera = config.cameras[how["camera"]]
            scene = how.get("scene", camera.scene)
            consents = tuple(ConsentEntry(ref) for ref in how.get("consent", ()))
            job = Job(
                camera=how["camera"], scene_name=scene, scene=config.scenes[scene], whole=True,
                consents=consents, now_ms=0, stream=name == "passer-by",
            )  # fmt: skip
            assert kit.pipeline.process(image, job).guard is not None
            said.extend([embed.normalise(vector) for vector in said])
    return made


class Search:
    """Needles of everything that visitors of a booth sent and got, and where they are found.

    Attributes:
        ids: result id of each visit.
    """

    def __init__(self, booth, vectors):
        self.booth = booth
        self.ids, self._kinds, pictures = {}, {}, {}
        for name, how in VISITS.items():
            jpeg = photo(name)
            result = self._stream(jpeg) if name == "passer-by" else self._shot(jpeg, how)
            until(lambda r=result: booth.consumer.find(r) is not None, what="the result")
            self.ids[name], pictures[name] = result, booth.consumer.picture(result)
            keys = booth.folder / "outbox" / "outbox.keys"
            self._kinds[name] = traces.together(
                traces.of_photo(jpeg),
                traces.of_vectors(vectors[name]),
                traces.of_id(result),
                *(traces.of_consent(ref, keys) for ref in how.get("consent", ())),
            )
        for name, jpeg in pictures.items():
            others = [other for whose, other in pictures.items() if whose != name]
            self._kinds[name] |= traces.of_picture(jpeg, others)

    def _shot(self, jpeg, how):
        answer = self.booth.client.send_shot(jpeg, **how)
        assert answer.verdict.verdict == "queued", answer.verdict.reason
        return answer.verdict.id

    def _stream(self, jpeg):
        until(lambda: self.booth.client.send_frame(jpeg, camera="street"), what="it is sent")
        results = self.booth.consumer.results
        until(lambda: any(key[1] == "street" for key in results), what="the frame's result")
        return next(doc["id"] for key, doc in results.items() if key[1] == "street")

    def __call__(self, *names, keys=True):
        """File -> kind -> how many needles of these visits (of all) are in it."""
        look = traces.Search(traces.together(*(self._kinds[name] for name in names or VISITS)))
        report = look.in_files(*self.mine(), Path("/dev/shm"))
        return report | (look.in_outbox(self.booth.folder / "outbox") if keys else {})

    def mine(self):
        """All but the broker's: what that was given is another machine's, beyond a purge."""
        return [path for path in self.booth.folder.iterdir() if path.name != "broker"]


def stop(booth):
    """As systemd stops both."""
    for process in (booth.uplink, booth.engine):
        process.terminate()
        assert process.wait(30) == 0


def kill(booth):
    """As a power cut or the kernel's memory killer."""
    booth.kill_engine()
    booth.kill_uplink()


def crash(booth):
    """As a fault in a library."""
    for process, number in ((booth.engine, signal.SIGSEGV), (booth.uplink, signal.SIGABRT)):
        process.send_signal(number)
        assert process.wait(60) == -number


def peeked(process):
    """Ways into a process's memory that are open to another program of the same user."""
    told = subprocess.run(
        [*PLAIN_USER, sys.executable, "-c", PEEK, str(process.pid)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return set(json.loads(told.stdout))


def crashing(folder, fault):
    """A device whose engine runs as any user's process would, with a fault in its hardening."""
    return booth_in(folder, fault=fault, prefix=PLAIN_USER, isolation="seccomp")


def cores(booth):
    """Files that a crash has left in the working folder."""
    return [path.name for path in (booth.folder / "cwd").iterdir() if "core" in path.name]


@pytest.fixture
def core_limit():
    """`ulimit -c unlimited` around the device; the limit that the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.mark.parametrize("end", [stop, kill, crash])
@pytest.mark.usefixtures("core_limit")
def test_nothing_of_a_visit_is_left(tmp_path, vectors, end):
    """No photo, picture, vector, id or reference after purges by consent and of all.

    The engine that crashes has forgotten to set its own limit on cores.
    """
    device = crashing(tmp_path, "no-core-limit") if end is crash else booth_in(tmp_path)
    with device as booth:
        look = Search(booth, vectors)
        before = look()
        opened = {kind for name, found in before.items() if "opened" in name for kind in found}
        assert opened >= {"published JPEG", "published digest", "id as text", "consent as text"}
        assert "consent's keyed digest" in before["outbox.db-wal"] | before.get("outbox.db", {})
        assert traces.kinds_in(before) & (RAW | EMBEDDING) == set(), before
        ciphertext = {"ciphertext": traces.pieces_of_sealed(booth.folder / "outbox")}
        assert traces.Search(ciphertext).in_files(booth.folder / "outbox")

        booth.purge("--consent", CONSENT)
        assert look("portrait 1", "portrait 2") == {}
        assert traces.kinds_in(look("another's portrait")) >= {"published JPEG", "consent as text"}
        booth.purge("--all")
        assert peeked(booth.engine) == peeked(booth.uplink) == set()
        end(booth)
        assert look() == {}
        assert traces.Search(ciphertext).in_files(*look.mine()) == {}
        assert cores(booth) == []


def test_an_engine_that_is_not_hardened_leaves_all_of_it_in_its_core(tmp_path, vectors, core_limit):
    """Which shows that the search finds raw pixels and vectors, and what hardening is for."""
    pattern = CORES.read_text().strip()
    if "/" in pattern or "|" in pattern or not core_limit:
        pytest.skip(f"cores are not written to the working folder here ({pattern})")
    with crashing(tmp_path, "not-hardened") as booth:
        look = Search(booth, vectors)
        if not YAMA.exists() or YAMA.read_text().strip() == "0":
            assert {"mem", "process_vm_readv", "ptrace"} <= peeked(booth.engine)
        booth.engine.send_signal(signal.SIGABRT)
        assert booth.engine.wait(60) == -signal.SIGABRT
        (core,) = cores(booth)
        found = look("portrait 2", "passer-by", keys=False)[core]
        say(f"in a core of {(tmp_path / 'cwd' / core).stat().st_size >> 20} MiB: {found}")
        assert {"photo's JPEG blocks", "photo's rows, BGR", "embedding, float32"} <= set(found)
        assert {"published JPEG", "id as text"} <= set(found)
