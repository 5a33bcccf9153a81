"""The engine process: composition root of everything that holds raw frames.

Ordered start: isolation, hardening, outbox, models, sockets, READY; the reverse on stop.
The main thread then ticks: health, status, outbox limits, watchdog.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import msgspec

from edged.config import Config, missing_files
from edged.daemon import documents
from edged.daemon.assemble import Kit, assemble
from edged.daemon.checks.runner import Runner
from edged.daemon.door import frame_server
from edged.daemon.errands import Errands
from edged.daemon.events import Events
from edged.daemon.figures import Machine, collect
from edged.daemon.flow import WORK, Flow
from edged.daemon.flow_parts import FlowParts
from edged.daemon.listening import Listening
from edged.daemon.lives import Lives
from edged.daemon.marking import open_marker
from edged.daemon.once import Once
from edged.daemon.orders import Orders
from edged.daemon.owner import Owner
from edged.daemon.pulse import Pulse, self_test_of
from edged.daemon.selftest import SelfTest
from edged.daemon.sentry import End, Sentry
from edged.daemon.steering import Steering
from edged.daemon.storage import open_outbox
from edged.errors import ConfigError, FrameError
from edged.health import Health
from edged.privacy import hardening, isolation
from edged.transport.clock import wall_ms
from edged.transport.control import ControlServer
from edged.transport.egress_server import EgressServer
from edged.transport.frames import FrameServer
from edged.transport.mailbox import Mailbox
from edged.transport.notify import Notifier
from edged.transport.outbox import Outbox
from edged.transport.view import ViewPublisher
from edged.transport.wire_health import HealthDoc
from edged.verdicts import Reason

log = logging.getLogger(__name__)

TICK_S = 1.0
STOP_S, STUCK_S = 10.0, 0.5
"""So long may frames under way take at a stop, and where one is known to hang."""
ENFORCE_S = 15.0
"""Between two applications of the outbox's age limits, uplink or no uplink."""
MODELS_S = 10.0
"""Between two looks at the model files."""
UPLINK_GRACE_S = 20.0
"""So long may the uplink be absent before that degrades the device."""


class Engine:
    """One engine, from start to clean stop.

    Args:
        config: checked.
        run_dir: folder of the sockets, private.
        progress: told each step of the start.
        listeners: descriptors that the launcher or systemd left open for LAN cameras.
        source: file that the configuration was read from, for `reload`.
    """

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        progress: Callable[[str], None] = lambda _: None,
        listeners: Sequence[int] = (),
        source: Path | None = None,
    ) -> None:
        self._config = config
        self._source = source
        self._run_dir = run_dir
        self._progress = progress
        self._listeners = listeners
        self._stack = ExitStack()
        self._stop = threading.Event()
        self._boot = str(uuid.uuid4())
        self._started_s = documents.now_s()
        self._health = Health(self._started_s, wall_ms())
        self._machine = Machine()
        self._checks = Runner(self._health, self.figures)
        self.event = Events()
        self._egress: EgressServer | None = None
        self._info = b"{}"  # control.sock answers a moment before it is known
        self._uplink_seen_s = self._started_s
        self._said_version: object = None

    # -- start and stop ---------------------------------------------------------------

    def start(self) -> None:
        """Start everything in order.

        Raises:
            EdgedError: with what to do; whatever had started is stopped again.
        """
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def _start(self) -> None:
        config = self._config
        found = isolation.check()
        isolation.require(config.isolation.mode, found)
        log.info("isolation: %s", found.mode)
        hardening.harden()
        self.lives = Lives(self._run_dir)
        if self.lives.ends:
            self.event("engine-restarted", self.lives.reason, {"times": self.lives.ends})
        missing = missing_files(config, uplink=False)
        if missing:
            raise ConfigError(*missing)
        if "builtin_detector" not in config.models.detectors:
            # Threads of our own overlap, and OpenCV's would fight them; only the cascades
            # are slow enough to want them.
            cv2.setNumThreads(1)
        self._progress("opening the outbox")
        outbox, self._notary = open_outbox(config, self.event)
        self._stack.callback(outbox.close)
        self._outbox = outbox
        self._marker = open_marker(config, partial(self._health.trouble, "provenance"))
        kit = self._load()
        self._progress("opening the sockets")
        self._found = found
        self._open_sockets(outbox, kit)
        self._note_troubles(kit)
        self._tick_runtime()
        self.event.begin(lambda document: self._publish("event", document))
        self._tick_status()

    def _load(self) -> Kit:
        """Assemble on the thread that will run the sessions, and close them there, too."""
        owner = self._owner = Owner(WORK)
        self._stack.callback(owner.close)
        sessions = ExitStack()
        self._stack.callback(owner.call, sessions.close)
        self._kit = owner.call(
            lambda: assemble(self._config, sessions, self._progress, event=self.event)
        )
        return self._kit

    def _open_sockets(self, outbox: Outbox, kit: Kit) -> None:
        config, frames = self._config, self._config.frames
        mode = 0o660 if frames.open_to_group else 0o600
        mailbox = Mailbox(
            shots_waiting=frames.limits.shots_waiting,
            shots_waiting_bytes=frames.limits.shots_waiting_bytes,
        )
        server = frame_server(
            config,
            mailbox,
            endpoint=self._socket("frames"),
            listeners=self._listeners,
            mode=mode,
        )
        self._frames = server
        view = ViewPublisher(frames.view_endpoint or self._socket("view"), mode=mode)
        self._stack.callback(view.close)
        self._pulse = Pulse(self_test_of(kit.stages, config.guard.stream_sizes_px[0]))
        listening = Listening(
            kit.serving.loaded, kit.serving.listen, config.models.folder.parent / "calibration"
        )
        self._stack.callback(listening.close)
        errands = Errands()
        parts = self._flow_parts(kit, mailbox, server, view, errands)
        steering = Steering(
            config, kit, parts, server, errands=errands, source=self._source,
            adopted=self._adopt, restart=self.stop,
        )  # fmt: skip
        selftest = SelfTest(steering.in_force, kit, errands, outbox, self._found)
        orders = Orders(
            outbox=outbox,
            frames=server,
            health=self._health,
            cameras=steering.cameras,
            wake=self._wake_egress,
            state_changed=self._tick_status,
            event=self.event,
            overview=self.overview,
            notary=self._notary,
            more={
                "calibrate": listening.order,
                "reload": steering.reload,
                "rotate-identity": steering.rotate,
                "selftest": selftest,
            },
        )
        egress = EgressServer(self._socket("egress"), outbox, Once(orders), self.event)
        egress.start()
        self._stack.callback(egress.stop)
        self._egress = egress
        control = ControlServer(self._socket("control"), orders)
        control.start()
        self._stack.callback(control.stop)
        self._flow = Flow(parts)
        self._sentry = Sentry(self._flow, kit.serving, frames.deadline_ms, self.event)
        self._flow.start()
        server.start()
        self._stack.callback(self._end_frames)

    def _flow_parts(
        self, kit: Kit, mailbox: Mailbox, server: FrameServer, view: ViewPublisher, errands: Errands
    ) -> FlowParts:
        config = self._config

        def between() -> None:
            kit.serving.between_frames()
            errands.between()

        return FlowParts(
            mailbox=mailbox,
            answers=server,
            pipeline=kit.pipeline,
            outbox=self._outbox,
            view=view,
            health=self._health,
            scenes=config.scenes,
            limits=config.frames.limits,
            deadline_ms=config.frames.deadline_ms,
            engines=partial(documents.engines, config, kit),
            builtin=config.builtin,
            barred=config.barred,
            on_row=self._wake_egress,
            on_event=self.event,
            between_frames=between,
            pulse=self._pulse,
            owner=self._owner,
            marker=self._marker,
        )

    def _adopt(self, config: Config) -> None:
        """Another configuration is in force."""
        self._config = config
        self._said_version = None  # `info` is said anew

    def _wake_egress(self) -> None:
        if self._egress is not None:
            self._egress.wake()

    def _socket(self, name: str) -> str:
        return f"ipc://{self._run_dir / f'{name}.sock'}"

    def stop(self) -> None:
        """Ask for a clean stop; from any thread or a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Stop everything, in the reverse order of the start."""
        self._stack.close()

    def _end_frames(self) -> None:
        """No new frames, then answers to those under way, then the sockets."""
        self._frames.pause(Reason.STOPPING)
        self._flow.stop(STUCK_S if self._sentry.verdict else STOP_S)
        self._frames.stop()

    # -- the main thread --------------------------------------------------------------

    def run(self, notifier: Notifier) -> End | None:
        """Tick until :meth:`stop`; says why this process must end by itself, if it must."""
        next_health_s = next_enforce_s = next_models_s = documents.now_s()
        beats = 0
        while not self._stop.wait(TICK_S):
            now_s = documents.now_s()
            self._check(now_s)
            self._checks.tick(now_s, self._config)
            verdict = self._sentry.look()
            if verdict is not None:
                self._health.trouble("ending", verdict.reason)
                self.lives.ends_with(verdict.reason)
                self._tick_status()
                return verdict
            if now_s >= next_models_s:
                next_models_s = now_s + MODELS_S
                self._kit.serving.look()
            self._tick_runtime()
            self._tick_status()
            if now_s >= next_health_s:
                next_health_s = now_s + self._config.health.period_s
                self._publish("health", msgspec.json.encode(self.figures()))
            if now_s >= next_enforce_s:
                next_enforce_s = now_s + ENFORCE_S
                self._enforce()
            if self._pulse.beats != beats and self._frames.alive:
                beats = self._pulse.beats
                notifier.alive()
        return None

    def _check(self, now_s: float) -> None:
        """Troubles that come and go by themselves."""
        if self._egress is None:
            return
        uplink = self._egress.uplink_state()
        if uplink.connected:
            self._uplink_seen_s = now_s
        absent = now_s - self._uplink_seen_s > UPLINK_GRACE_S
        self._health.trouble("uplink", "uplink-absent" if absent else None)
        alive = self._flow.alive() and self._frames.alive
        self._health.trouble("flow", None if alive else "pipeline-thread-ended")
        self._health.trouble("self-test", self._pulse.trouble or None)
        self.lives.ran(now_s - self._started_s)
        self._health.trouble("lives", self.lives.trouble or None)

    def _enforce(self) -> None:
        try:
            self._outbox.enforce()
            self._health.trouble("outbox", None)
        except FrameError:
            self._health.trouble("outbox", "outbox-error")

    def _note_troubles(self, kit: Kit) -> None:
        if not kit.calibrated:
            self._health.trouble("guard", "guard-not-calibrated")
        if self._config.barred:
            self._health.trouble("publish", "builtin-barred")

    def _tick_runtime(self) -> None:
        """Say anew what runs the models, when that has changed; on the main thread."""
        serving, residency = self._kit.serving, self._kit.residency
        version = (serving.version, residency.runtime, residency.reason)
        if version == self._said_version:
            return
        self._said_version = version
        choice = serving.choice
        not_wished = None if choice.wished else choice.slug or "runtime-not-wished"
        self._health.trouble("runtime", not_wished)
        self._health.trouble("models", serving.trouble or None)
        self._info = documents.info(
            self._config,
            self._kit,
            self._found,
            boot=self._boot,
            session=self._outbox.session,
            receipt_key=self._notary.public_key,
            c2pa=self._marker.about,
        )
        self._publish("info", self._info)

    # -- documents --------------------------------------------------------------------

    def _tick_status(self) -> None:
        """Publish the status when it has changed."""
        state, reason, since_ms = self._health.state(wall_ms())
        if (state, reason) != getattr(self, "_said", None):
            self._said = (state, reason)
            log.info("state: %s (%s)", state, reason)
            self._publish("status", documents.status(state, reason, since_ms, self._boot))

    def figures(self) -> HealthDoc:
        """The health document."""
        kit = self._kit
        found = collect(
            self._health, self._machine, kit.serving, self._outbox, self._egress, hashes=kit.hashes
        )
        return msgspec.structs.replace(found, frames=self._frames.counts())

    def overview(self) -> dict[str, Any]:
        """State, figures and info for somebody at the box."""
        state, reason, since_ms = self._health.state(wall_ms())
        info = msgspec.json.decode(self._info)
        return {
            "state": state,
            "reason": reason,
            "since_ms": since_ms,
            "health": msgspec.to_builtins(self.figures()),
            "info": info,
        }

    def _publish(self, topic: Any, document: bytes) -> None:
        if self._egress is not None:
            self._egress.publish(topic, document)
