"""A whole device for a test: real broker, real engine and uplink processes, a consumer.

The models are the small real networks of `EDGED_TEST_MODELS` (detectors of two families
and a recogniser) with the built-in swapper, or the built-in pack alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import psutil
from consumer import Consumer
from lift import lift_recogniser
from mosquitto import Mosquitto, wait_for

from edged.errors import EdgedError
from edged.transport.client import FrameClient
from edged.transport.control import ask

RECOGNISER = """
id = "test_mbf"
title = "MobileFaceNet of 128 numbers, as it is (tests only)"
kind = "recogniser"
family = "arcface"
verified = "real"
file = "test_mbf.onnx"
sha256 = "unpinned"
embedding_dim = 128
licence = { name = "Apache-2.0", commercial = true, vendor = "its trainer" }
[contract]
size_px = 112
template = "arcface_112"
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]
[batch]
max = 8
"""

CALIBRATION = """
[recognisers.test_mbf]
identity_max = 0.42
measured_on = "6 people of a group photo and 1 more: strangers 0.28 at most, one person 0.6 on"
"""

REAL_MODELS = """
[models]
detectors = ["det_500m", "yunet"]
guard_recogniser = "test_mbf"
accept_licence = ["det_500m"]
folder = "models"
recipes = ["recipes"]
"""

CONFIG = """
[device]
name = "booth-1"
site = "test"
[cameras.booth]
scene = "hide"
[cameras.door]
scene = "live"
[scenes.hide]
mode = "disguise"
identities = ["actor"]
share_identities = true
[scenes.live]
mode = "disguise"
identities = ["actor"]
share_identities = true
allow_empty = true
[scenes.poster]
mode = "portrait"
template = "{template}"
[identities.actor]
photos = ["{actor}"]
[health]
period_s = 1.0
[isolation]
mode = "{isolation}"
[outbox]
folder = "outbox"
[broker]
port = {port}
clock = "trust"
"""


class Booth:
    """One device under test; a context manager.

    Args:
        folder: for everything that it writes.
        models: `EDGED_TEST_MODELS`, or None for the built-in pack.
        actor: BGR photo of the character; None for the built-in character.
        template: BGR template picture; None for the built-in poster.
        broker: a running one; its own by default.
        extra: more TOML.
        fault: kind of fault of tests/fakes/faulty_engine.py, for an engine with a broken part.
        environment: more variables for engine and uplink.
        cwd: working folder of both processes, where a core would be written.
        prefix: words before the engine's command line, such as a sandbox.
        pass_fds: descriptors that the engine inherits.
    """

    def __init__(
        self, folder, *, models=None, actor=None, template=None, broker=None, extra="",
        fault=None, isolation="namespace", calibration=CALIBRATION, consumer=True,
        environment=None, cwd=None, prefix=(), pass_fds=(),
    ):  # fmt: skip
        self.folder = Path(folder)
        self.run_dir = self.folder / "run"
        self.run_dir.mkdir(mode=0o700)
        self.broker = broker or Mosquitto(self.folder / "broker")
        self._own_broker = broker is None
        self._with_consumer = consumer
        self._fault = fault
        self.fault_file = self.folder / "fault"
        self._environment = environment
        self._cwd, self._prefix, self._pass_fds = cwd, tuple(prefix), tuple(pass_fds)
        self._isolation = isolation
        names = {"actor": "builtin:character", "template": "builtin:poster"}
        for name, image in (("actor", actor), ("template", template)):
            if image is not None:
                path = self.folder / f"{name}.png"
                cv2.imwrite(str(path), image)
                names[name] = str(path)
        text = CONFIG.format(port=self.broker.port, isolation=isolation, **names)
        if models is not None:
            self._take_models(Path(models), calibration)
            text += REAL_MODELS
        else:
            text += '[models]\nfolder = "models"\n'
        self.config = self.folder / "edged.toml"
        self.config.write_text(text + extra)
        self.engine = self.uplink = self.client = self.consumer = None
        self.log = (self.folder / "log.txt").open("ab")

    def _take_models(self, models, calibration):
        for name in ("models", "recipes", "calibration"):
            (self.folder / name).mkdir()
        for source, name in (("det_500m.onnx", "det_500m.onnx"),
                             ("yunet_n_640_640.onnx", "yunet_2023_mar.onnx")):  # fmt: skip
            (self.folder / "models" / name).write_bytes((models / source).read_bytes())
        lift_recogniser(models / "mobilefacenet_128d.onnx", self.folder / "models/test_mbf.onnx")
        (self.folder / "recipes/test_mbf.toml").write_text(RECOGNISER)
        (self.folder / "calibration/guard.toml").write_text(calibration)

    # -- processes ------------------------------------------------------------------

    def __enter__(self):
        try:
            return self._begin()
        except BaseException:
            self.__exit__()
            raise

    def _begin(self):
        if self._own_broker:
            self.broker.start()
        self.start_engine()
        self.start_uplink()
        self.client = FrameClient(self.endpoint, timeout_s=60)
        if self._with_consumer:
            self.consumer = Consumer(self.broker.port, "test", "booth-1", keep_raw=True)
            wait_for(lambda: self.consumer.status.get("state") == "online", 20, "online")
        return self

    def __exit__(self, *_exc):
        for part in (self.client, self.consumer):
            if part is not None:
                part.close()
        for process in (self.engine, self.uplink):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.engine, self.uplink):
            if process is not None:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self._own_broker:
            self.broker.stop()
        self.log.close()

    @property
    def endpoint(self):
        return f"ipc://{self.run_dir}/frames.sock"

    def _start(self, argv, environment=None, prefix=(), pass_fds=()):
        env = {**os.environ, "EDGED_RUN_DIR": str(self.run_dir), **(environment or {})}
        return subprocess.Popen(
            [*prefix, sys.executable, *argv],
            stdout=self.log, stderr=self.log, env=env, cwd=self._cwd, pass_fds=pass_fds,
            start_new_session=True,  # a Ctrl-C is for the test to answer
        )  # fmt: skip

    def _edged(self, name):
        return ["-m", "edged", name, "--config", str(self.config), "--run-dir", str(self.run_dir)]

    def start_engine(self, *, wait=True):
        argv = self._edged("engine")
        if self._fault is not None:
            faulty = str(Path(__file__).parent / "fakes" / "faulty_engine.py")
            launch = ["-m", "edged.privacy.launch", self._isolation, "--", sys.executable]
            argv = [*launch, faulty, self._fault, *argv[2:]]
        strike = {"EDGED_FAULT_FILE": str(self.fault_file)}
        environment = {**strike, **(self._environment or {})}
        self.engine = self._start(argv, environment, self._prefix, self._pass_fds)
        if wait:
            self.wait_engine()

    def strike(self, timeout_s=20):
        """Have a fault that waits for it (`oom`, `hang`) harm the next run of a session."""
        self.fault_file.touch()
        wait_for(lambda: not self.fault_file.exists(), timeout_s, "the fault")

    def wait_engine(self, timeout_s=120):
        def ready():
            assert self.engine.poll() is None, self.log_text()
            try:
                return bool(self.ask("status").data.get("info"))  # known a moment after ping
            except EdgedError:
                return False

        wait_for(ready, timeout_s, "the engine")

    def start_uplink(self):
        more = dict(self._environment or {})
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):  # the engine's manager is not the uplink's
            more.pop(name, None)
        self.uplink = self._start(self._edged("uplink"), more)

    def kill_engine(self):
        self.engine.send_signal(signal.SIGKILL)
        self.engine.wait()

    def kill_uplink(self):
        self.uplink.send_signal(signal.SIGKILL)
        self.uplink.wait()

    # -- looking at it --------------------------------------------------------------

    def ask(self, name, data=None, timeout_s=5.0):
        return ask(f"ipc://{self.run_dir}/control.sock", name, data or {}, timeout_s=timeout_s)

    def purge(self, *words):
        """`edged purge` as an operator gives it; its receipt."""
        done = subprocess.run(
            [sys.executable, "-m", "edged", "purge", *words, "--yes", "--json", "--run-dir",
             str(self.run_dir)],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def log_text(self):
        return (self.folder / "log.txt").read_text(errors="replace")

    def depth(self):
        """Rows of the outbox that the broker has not acknowledged."""
        return self.ask("status").data["health"]["outbox"].get("depth", 0)

    def rss_mb(self):
        return psutil.Process(self.engine.pid).memory_info().rss / 2**20

    def send(self, image, **options):
        """A shot of a BGR picture, as PNG so that pixels are exactly known."""
        done, data = cv2.imencode(".png", image)
        assert done
        return self.client.send_shot(data.tobytes(), **options)

    def published(self, answer, timeout_s=20):
        """(result document, BGR picture) of a queued shot, as the consumer got them."""
        assert answer.verdict.verdict == "queued", answer.verdict.reason
        shot = answer.verdict.id
        wait_for(lambda: self.consumer.find(shot) is not None, timeout_s, "the result")
        jpeg = self.consumer.picture(shot)
        import numpy as np

        return self.consumer.find(shot), cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)


def until(condition, timeout_s=20.0, what=""):
    """Wait for something that processes do; fails with its name."""
    wait_for(condition, timeout_s, what)
