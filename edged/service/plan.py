"""What an installation consists of, as a list of steps that can be shown before they are done.

Everything lies under `/etc`, so that a package manager's `/usr` stays untouched; state is
in `/var/lib/edged`.  Knows paths and texts; does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged import tables
from edged.config.starter import starter
from edged.errors import ConfigError
from edged.resources import data_folder
from edged.service.stored import configured_outbox, files_of, keys_of
from edged.transport.lan import parse_address

Kind = Literal["write", "keep", "run", "remove", "destroy", "try"]

LAN_SOCKET = "edged-frames.socket"
UNITS = (
    "edged-engine.service", "edged-uplink.service", "edged-camera@.service", LAN_SOCKET,
    "edged.target",
)  # fmt: skip
UNITS_TO_ENABLE = ("edged.target", "edged-engine.service", "edged-uplink.service")
SHIPPED_PROGRAM = "/opt/edged/bin/edged"
"""As the shipped units have it; replaced by where this installation really is."""
SHIPPED_LISTEN = "ListenStream=127.0.0.1:5555"
"""Likewise, replaced by `frames.lan.listen`."""

CONFIG = Path("/etc/edged/edged.toml")
STATE = Path("/var/lib/edged")
RUN = Path("/run/edged")
USER = "edged"

_UNIT_DIR = Path("/etc/systemd/system")
_WANTS = _UNIT_DIR / "edged.target.wants"
"""Links of enabled units, cameras among them."""
_SYSUSERS = Path("/etc/sysusers.d/edged.conf")
_TMPFILES = Path("/etc/tmpfiles.d/edged.conf")
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
"""ProtectHome=yes hides these from the units."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        kind: "write" a file, "keep" one that is there, "run" a program, "try" one whose
            failure does not matter, "remove" a file or folder, "destroy" a file: overwrite it,
            too.
        path: of the file.
        text: of the file to be written.
        argv: of the program.
        why: for people.
    """

    kind: Kind
    why: str
    path: Path = Path()
    text: str = ""
    argv: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """For people, without why."""
        if self.kind in ("run", "try"):
            return " ".join(self.argv)
        return f"{self.kind} {self.path}"


def install_steps(root: Path, program: Path, device: str, *, start: bool) -> list[Step]:
    """What puts edged in place.

    Args:
        root: of the file system; another than "/" gets files only (building an image).
        program: the `edged` of this installation.
        device: name for a configuration that is not there yet.
        start: start it as well.

    Raises:
        ConfigError: the units could not see this installation.
    """
    _require_visible(program)
    folder = data_folder("systemd")
    config = root / CONFIG.relative_to("/")
    listen = _lan_address(config)
    steps = [
        Step("write", "unit", root / _UNIT_DIR.relative_to("/") / name,
             _unit(folder, name, program, listen))
        for name in UNITS
    ]  # fmt: skip
    steps += [
        Step("write", "user of the units", root / _SYSUSERS.relative_to("/"),
             (folder / "edged.sysusers").read_text("utf-8")),
        Step("write", "folders", root / _TMPFILES.relative_to("/"),
             (folder / "edged.tmpfiles").read_text("utf-8")),
    ]  # fmt: skip
    if config.exists():
        steps.append(Step("keep", "it is yours", config))
    else:
        steps.append(Step("write", "look at (1) to (5) in it", config, first_config(device)))
    if root == Path("/"):
        steps += [
            Step("run", "make the user", argv=("systemd-sysusers", str(_SYSUSERS))),
            Step("run", "make the folders", argv=("systemd-tmpfiles", "--create", str(_TMPFILES))),
            Step("run", "read the units", argv=("systemctl", "daemon-reload")),
            Step("run", "start it at boot",
                 argv=("systemctl", "enable", *(["--now"] if start else []), *UNITS_TO_ENABLE)),
        ]  # fmt: skip
    return steps


def uninstall_steps(root: Path, *, purge: bool) -> list[Step]:
    """What takes edged away again; with `purge` also what it and its operator have written.

    Raises:
        ConfigError: with `purge`, when the configuration does not tell where the outbox lies.
    """
    inside = root == Path("/")
    steps: list[Step] = []
    outboxes = _outboxes(root) if purge else []
    if inside:
        steps += [
            Step("try", "stop it", argv=("systemctl", "disable", "--now", *UNITS_TO_ENABLE)),
            Step("try", "nobody comes in", argv=("systemctl", "disable", "--now", LAN_SOCKET)),
            Step("try", "and its cameras", argv=("systemctl", "stop", "edged-camera@*.service")),
        ]
    if purge:
        # The keys first: whatever is interrupted after them, stored pictures are worthless.
        steps += [
            Step("destroy", why, path) for outbox in outboxes for path, why in keys_of(outbox)
        ]
    ours = (*(_UNIT_DIR / name for name in UNITS), _SYSUSERS, _TMPFILES, _WANTS)
    steps += [
        Step("remove", "put there by edged install", root / path.relative_to("/")) for path in ours
    ]
    if purge:
        units = root / _UNIT_DIR.relative_to("/")
        cameras = sorted(units.glob("edged-camera@?*.service.d"))
        steps += [
            Step("remove", "changes by systemctl edit", path)
            for path in (*(units / f"{name}.d" for name in UNITS), *cameras)
        ]
        steps += [
            Step("remove", "outbox, models, engines", root / STATE.relative_to("/")),
            *(
                Step("remove", "outbox, where the configuration has it", path)
                for outbox in outboxes[1:]
                for path in files_of(outbox)
            ),
            Step("remove", "configuration and credentials", root / CONFIG.parent.relative_to("/")),
        ]
    if inside:
        steps += [
            Step("run", "forget the units", argv=("systemctl", "daemon-reload")),
            Step("try", "and that they failed", argv=("systemctl", "reset-failed", "edged*")),
        ]
        if purge:
            steps += [
                Step("remove", "sockets", RUN),
                Step("try", "remove the user", argv=("userdel", USER)),
                # userdel leaves a group that has members, such as a kiosk.
                Step("try", "and the group", argv=("groupdel", USER)),
            ]
    return steps


def _outboxes(root: Path) -> list[Path]:
    """Folders with stored pictures: the units' own, and the one that the configuration names."""
    usual = STATE / "outbox"
    chosen = configured_outbox(root / CONFIG.relative_to("/"), STATE)
    return [root / path.relative_to("/") for path in dict.fromkeys((usual, chosen))]


def first_config(device: str) -> str:
    """The starter, with state where the units keep it, whoever runs a command."""
    text = starter(device)
    text = text.replace(
        "[broker]\n",
        "[frames]\nopen_to_group = true    # kiosk apps: usermod -aG edged USER\n\n[broker]\n",
        1,
    )
    text = text.replace("[outbox]\n", f'[outbox]\nfolder = "{STATE}/outbox"\n', 1)
    return text + (
        "\n# Where the units keep their state; `edged` commands find it here, too.\n"
        f'[models]\nfolder = "{STATE}/models"\n\n[engines]\nfolder = "{STATE}/engines"\n'
    )


def _unit(folder: Path, name: str, program: Path, listen: str | None) -> str:
    text = (folder / name).read_text("utf-8").replace(SHIPPED_PROGRAM, str(program))
    return text.replace(SHIPPED_LISTEN, f"ListenStream={listen}") if listen else text


def _lan_address(config: Path) -> str | None:
    """`frames.lan.listen` of a configuration, where it has one that a unit can hold.

    What is wrong with the rest of it is not said here: the engine does.
    """
    try:
        listen = tables.read(config)["frames"]["lan"]["listen"]
        parse_address(listen)
    except (ConfigError, LookupError, TypeError, AttributeError, ValueError):
        return None
    return str(listen)


def _require_visible(program: Path) -> None:
    """Refuse an installation that the units cannot see, or a path that a unit cannot hold."""
    for hidden in _HIDDEN:
        if program.is_relative_to(hidden):
            raise ConfigError(
                f"{program}: the units do not see {hidden} (ProtectHome=yes), so edged must be "
                "installed elsewhere: python3 -m venv /opt/edged, install it there, and run "
                f"{SHIPPED_PROGRAM} install"
            )
    if any(letter.isspace() or letter in "%$\\\"';" for letter in str(program)):
        raise ConfigError(
            f"{program}: a path with blanks or signs cannot stand in a unit; install edged into "
            "/opt/edged"
        )
