"""A machine for the doctor's checks: a folder for `/`, canned answers, one user."""

from __future__ import annotations

from pathlib import Path

from edged.config import loads
from edged.config.starter import starter
from edged.doctor.box import Ran, User
from edged.doctor.host import Host, Package
from edged.doctor.setup import Setup
from edged.privacy.trial import Trial
from edged.runtime.driver import Driver, Gpu
from edged.runtime.libraries import OrtInstall

NO_DRIVER = Driver("", (), "no CUDA driver: libcuda.so.1 is not on this machine", "install it")
RTX = Gpu(0, "NVIDIA GeForce RTX 4070", "89", 12282, integrated=False)
ORIN = Gpu(0, "Orin", "87", 7620, integrated=True)
ORIN_FILES = {
    "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n",
    "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\x00",
}
CARD_FILES = {
    "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "/sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    "/sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n",
    "/sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
}


class FakeHost(Host):
    """A host whose every answer a test gives.

    Args:
        root: stands for `/`.
        files: absolute path to text.
        programs: name to what it answers; a key with arguments goes before the bare name.
        says: what Python code in a process of its own answers.
        packages: installed distributions, name to version.
        owners: file to the distributions that brought it.
        known: attributes and methods to put in place of its own, and what `nvidia` (the
            driver), `ort`, `why` (reasons by runtime), `refused` (refusals by runtime),
            `identities` and `modes` (trials) answer.
    """

    def __init__(
        self, root, *, files=(), programs=(), says=(), packages=(), owners=(), env=(), **known
    ):
        user = known.pop("user", User("edged", 4711, frozenset()))
        super().__init__(root, user=user, env=dict(env))
        self.machine, self.kernel, self.libc = "x86_64", "6.1.0", "glibc 2.36"
        self.python, self.prefix, self.python_version = "/opt/e/bin/python", "/opt/e", (3, 12, 1)
        self.__dict__.update(known)
        self.programs, self.says, self.known = dict(programs), dict(says), known
        self.installed = {
            name: Package(name, version, "/opt/e/lib") for name, version in dict(packages).items()
        }
        self.brought = dict(owners)
        for path, text in dict(files).items():
            self.at(path).parent.mkdir(parents=True, exist_ok=True)
            self.at(path).write_text(text)

    def which(self, program):
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, words, timeout_s=0.0):  # noqa: ARG002 - as the host has it
        name = words[0].rpartition("/")[2]
        answer = self.programs.get(f"{name} {words[1]}", self.programs.get(name))
        return answer if isinstance(answer, Ran) else Ran(0, answer) if answer else Ran(127)

    def ask(self, *_code, **_limits):
        return self.says

    def packages(self):
        return self.installed

    def owners(self, file):
        return [self.installed[name] for name in self.brought.get(file, ())]

    def driver(self):
        return self.known.get("nvidia", NO_DRIVER)

    def onnxruntime(self):
        return self.known.get("ort", OrtInstall(None, {}, ""))

    def reasons(self, runtime):
        return self.known.get("why", {}).get(runtime, ())

    def refusal(self, runtime):
        return self.known.get("refused", {}).get(runtime)

    def identity(self, runtime):
        return self.known.get("identities", {})[runtime]

    def isolation(self, mode):
        return self.known.get("modes", {}).get(mode, Trial(given=True))

    def clock_synced(self):
        return True

    def now_s(self):
        return 2e9

    def installed_s(self):
        return 1.9e9

    def free_bytes(self, _folder):
        return 1 << 40


def setup(more: str = "", *, at: Path = Path("/etc/edged/edged.toml"), replace=()) -> Setup:
    """A valid configuration: the starter's, with texts replaced and tables added."""
    text = starter("booth")
    for old, new in dict(replace).items():
        assert old in text
        text = text.replace(old, new)
    return Setup(at, "valid", loads(f"{text}\n{more}", at))


def node(host: Host, path: str, mode: int = 0o666) -> None:
    """A file that stands for a device node."""
    host.at(path).parent.mkdir(parents=True, exist_ok=True)
    host.at(path).touch()
    host.at(path).chmod(mode)


def ids(findings) -> dict[str, str]:
    """Id to level."""
    return {finding.id: finding.level for finding in findings}


def only(findings):
    """The one finding that there is."""
    (one,) = findings
    return one
