"""Whether the packages that edged is made of are here, new enough, and load.

Data: wanted, missing, old, broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.pip import pip
from edged.doctor.setup import Setup

_REQUIREMENT = re.compile(r"\A([A-Za-z0-9._-]+)\s*([^;]*)(?:;(.*))?\Z")
_BOUND = re.compile(r"(>=|<)\s*([0-9.]+)")
MODULES = ("cryptography", "msgspec", "numpy", "onnx", "paho.mqtt.client", "psutil", "zmq")
"""Those with compiled parts, or that everything stands on; OpenCV has a check of its own."""
_LOOK = """
import importlib, json, sys
broken = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        broken[name] = f"{type(error).__name__} ({str(error)[:200]})"
print(json.dumps({"broken": broken}))
"""


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """By edged's own list of what it needs, then by trying."""
    wanted = core(host.requirements())
    here = {name: host.package(name) for name in wanted}
    missing = [name for name, package in here.items() if package is None]
    old = [
        f"{name} {package.version} (needs {wanted[name]})"
        for name, package in here.items()
        if package is not None and not satisfies(package.version, wanted[name])
    ]
    seen = host.ask(_LOOK, *MODULES, timeout_s=30)
    broken = dict(seen.get("broken", {}))
    data = {"wanted": wanted, "missing": missing, "old": old, "broken": broken}
    again = [f"'{name}{wanted[name]}'" for name in wanted if name in missing]
    again += [f"'{one.split()[0]}{wanted[one.split()[0]]}'" for one in old]
    if missing or old:
        words = [f"{', '.join(missing)} missing"] if missing else []
        words += [f"{', '.join(old)} not of the version that is needed"] if old else []
        yield Finding(
            "packages.missing",
            "fail",
            f"edged is not installed whole: {'; '.join(words)}",
            where=host.prefix,
            cure=(pip(host, "install", *again),),
            data=data,
        )
    for name, reason in broken.items():
        if name in missing:
            continue
        yield Finding(
            "packages.broken",
            "fail",
            f"{name} does not load: {reason}",
            where=host.prefix,
            cure=(pip(host, "install", "--force-reinstall", "--no-deps", distribution(name)),),
            data=data,
        )
    if "died" in seen:
        yield Finding(
            "packages.died",
            "fail",
            f"a process that loads {', '.join(MODULES)} {seen['died']}",
            where=host.prefix,
            advice="One of them is damaged; make the environment again.",
            data=data,
        )
    if not (missing or old or broken or "died" in seen):
        yield Finding("packages.whole", "ok", f"all {len(wanted)} packages load", data=data)


def core(requirements: list[str]) -> dict[str, str]:
    """Name to bounds of what is needed without any extra, and on this Python."""
    found = {}
    for line in requirements:
        parts = _REQUIREMENT.match(line)
        if parts is None or "extra" in (parts[3] or "") or "python_version" in (parts[3] or ""):
            continue
        found[re.sub(r"[-_.]+", "-", parts[1]).lower()] = parts[2].strip()
    return found


def satisfies(version: str, bounds: str) -> bool:
    """Whether a version lies in bounds such as ">=4.12,<5"; unknown words let it pass."""
    number = _number(version)
    return all(
        number >= _number(bound) if kind == ">=" else number < _number(bound)
        for kind, bound in _BOUND.findall(bounds)
    )


def _number(version: str) -> tuple[int, ...]:
    """Release numbers without trailing zeros: 5.0 is 5."""
    numbers = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def distribution(module: str) -> str:
    """The package that brings a module."""
    return {"paho.mqtt.client": "paho-mqtt", "zmq": "pyzmq"}.get(module, module)


CHECK = Check("packages", "software", "packages that edged is made of", look, timeout_s=40)
