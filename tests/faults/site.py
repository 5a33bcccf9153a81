"""One device with its broker, its proxy and its consumer, where faults are injected.

The device reaches its broker through a proxy on the loopback address; the consumer goes
straight to the broker.  Real processes, all of them.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from types import SimpleNamespace

from booth import Booth
from consumer import Consumer
from faults.brokers import SETUPS
from faults.ledger import Ledger, digest
from faults.power import Power
from faults.proxy import Proxy
from faults.supervised import Supervised
from faults.usual import SECTIONS
from mosquitto import accepts, wait_for
from shots import real_models

from edged.privacy.egress import COMMENT_PREFIX

CAMERAS = """
[cameras.shots]
scene = "quick"
[cameras.stream]
scene = "moving"
[scenes.quick]
mode = "disguise"
identities = ["actor"]
share_identities = true
restore = false
[scenes.moving]
mode = "disguise"
identities = ["actor"]
share_identities = true
allow_empty = true
restore = false
"""

STARTS_WITHIN_S = 90
"""For an engine that has to start while others use the machine."""

TMPFS_BYTES = 24 * 1024 * 1024


class Watch(Consumer):
    """The consumer, which also shows every picture that comes to a judge.

    Args:
        look: called with the JPEG's bytes of every picture.
    """

    def __init__(self, *args, look, **options):
        self._look = look
        self._contents = {}
        super().__init__(*args, **options)

    def contents(self):
        """Shot id -> SHA-256 of every picture that came under it; copy it under the lock."""
        return self._contents

    def _take(self, kind, rest, payload):
        if kind == "image":
            self._look(payload)
            at = payload.find(COMMENT_PREFIX)
            if at >= 0:
                start = at + len(COMMENT_PREFIX)
                shot = payload[start : start + 36].decode("ascii", "replace")
                self._contents.setdefault(shot, set()).add(digest(payload))
        elif kind == "result":
            import json

            doc = json.loads(payload)
            self._contents.setdefault(doc["id"], set()).add(doc["image"]["sha256"])
        super()._take(kind, rest, payload)


class Site:
    """A context manager: everything runs inside, and nothing of it is left behind.

    Args:
        folder: an own empty folder.
        kind: whose needs the site meets.
        look: called as `look(place, data, shape=None)` with every picture that leaves; see
            :meth:`faults.faces_out.FacesOut.look`.

    Attributes:
        booth: engine and uplink; see tests/booth.py.
        broker: the broker, see tests/mosquitto.py.
        proxy: what the uplink connects to instead of the broker.
        consumer_port: where a consumer connects to the broker, in plain text.
        consumer: what an integrator would have; a :class:`Watch`.
        state: folder of the outbox.
        ledger: accounts of the shots.
        power: of the device, where the kind wants it cut; a :class:`faults.power.Power`.
    """

    def __init__(self, folder, kind, *, look=lambda *_what: None):
        self.folder, self.kind = Path(folder), kind
        self._look = look
        self.ledger = Ledger()
        self._stack = contextlib.ExitStack()
        self._setup = SETUPS[kind.broker](self.folder / "broker")
        self.broker = self._setup.broker
        self.proxy = self.booth = self.consumer = self.power = None
        self.state = self.folder / "device" / "outbox"

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc):
        self._stack.close()

    def _begin(self, stack):
        stack.enter_context(self.broker)
        self.proxy = stack.enter_context(Proxy(self.broker.port))
        device = self.folder / "device"
        device.mkdir()
        environment = dict(self._setup.environment)
        if self.kind.state == "recorded":
            self.power = Power(self.state, self.folder)
            environment |= self.power.environment
        self.booth = (Supervised if self.kind.supervised else Booth)(
            device, models=real_models(), broker=SimpleNamespace(port=self.proxy.port),
            extra=CAMERAS, fault=self.kind.fault, consumer=False,
            environment=environment,
        )  # fmt: skip
        self._configure()
        if self.kind.state == "tmpfs":
            from faults.tmpfs import Tmpfs

            stack.enter_context(Tmpfs(self.state, TMPFS_BYTES))
        stack.enter_context(self.booth)
        self.consumer = stack.enter_context(
            Watch(self._setup.consumer_port, "test", "booth-1",
                  look=lambda data: self._look("broker", data))
        )  # fmt: skip
        self.booth.consumer = self.consumer
        stack.callback(setattr, self.booth, "consumer", None)
        self.until(lambda: self.consumer.status.get("state") == "online", 30, "online")

    def _configure(self):
        """Put the lines of kind, broker and load into their sections of edged.toml."""
        text = self.booth.config.read_text()
        for section, lines in _merged(SECTIONS, self._setup.config, self.kind.config).items():
            head, more = f"[{section}]\n", "\n".join(lines.values())
            if head in text:
                text = text.replace(head, f"{head}{more}\n", 1)
            else:
                text += f"{head}{more}\n"
        self.booth.config.write_text(text)

    @property
    def consumer_port(self):
        return self._setup.consumer_port

    @property
    def endpoint(self):
        """Where frames go in."""
        return self.booth.endpoint

    def restart_engine(self):
        """Start the engine, which is dead, and wait until it takes frames."""
        self.booth.start_engine(wait=False)
        self.booth.wait_engine(STARTS_WITHIN_S)

    def restart_uplink(self):
        """Start the uplink, which is dead; returns before it is connected."""
        self.booth.start_uplink()

    def took(self, shot, answer):
        """Book an answer to a shot that is in the ledger, and have its picture judged."""
        self.ledger.took(shot, answer)
        if answer.picture is not None:
            self._look("reply", answer.picture)

    def mend(self):
        """Bring everything back that an injection has left broken."""
        self.proxy.heal()
        self.booth.fault_file.unlink(missing_ok=True)
        with contextlib.suppress(AssertionError, ProcessLookupError):
            self.broker.resume()
        if not accepts(self.broker.port):
            self.broker.restart()
        for process, start in (
            (self.booth.engine, self.restart_engine), (self.booth.uplink, self.restart_uplink)
        ):  # fmt: skip
            if process is not None:
                process.send_signal(signal.SIGCONT)
                if process.poll() is not None:
                    start()

    def until(self, condition, timeout_s=20.0, what=""):
        """Wait for something that processes do; AssertionError with its name."""
        wait_for(condition, timeout_s, what)

    def delivered(self):
        """Results at the consumer so far."""
        return len(self.consumer.results)


def _merged(*tables):
    """Section -> key -> line; of two lines for one key the later stands."""
    found = {}
    for table in tables:
        for section, lines in table.items():
            for line in lines.splitlines():
                found.setdefault(section, {})[line.partition(" =")[0]] = line
    return found
