"""Why the kernel's part of a PC's NVIDIA driver is not there.

The driver's library can only say that it finds no device; the kernel's files say more.
"""

from __future__ import annotations

from typing import NamedTuple

from edged.doctor.hardware import jetson
from edged.doctor.host import Host

_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
"""Four bytes of attributes and one that is 1 when it is on (UEFI specification, 3.3)."""
_UBUNTUS_KEY = "/var/lib/shim-signed/mok/MOK.der"
_DEBIANS_KEY = "/var/lib/dkms/mok.pub"


class Reason(NamedTuple):
    """A slug, sentences for a person, and commands."""

    slug: str
    advice: str
    cure: tuple[str, ...]


def reason(host: Host) -> Reason | None:
    """Why, or None where the module is loaded or this is no such machine."""
    if jetson(host) or host.exists("/sys/module/nvidia") or host.exists("/dev/dxg"):
        return None
    if host.names(f"/lib/modules/{host.kernel}/**/nvidia.ko*"):
        return _not_loaded(host)
    if host.exists("/sys/module/nouveau"):
        return Reason(
            "nouveau",
            "The free driver nouveau holds the card, and it has no CUDA. NVIDIA's package puts "
            "it on the blacklist itself.",
            (*install(host), "sudo reboot"),
        )
    if host.names("/usr/src/nvidia-*"):
        return Reason(
            "not-built",
            f"The driver is installed, but was not built for this kernel ({host.kernel}).",
            (
                f"sudo apt install linux-headers-{host.kernel}",
                "sudo dkms autoinstall",
                "sudo reboot",
            ),
        )
    return Reason(
        "absent",
        "Install NVIDIA's driver; libraries of CUDA 13 want 580 or later.",
        (*install(host), "sudo reboot"),
    )


def _not_loaded(host: Host) -> Reason:
    if (host.text(_SECURE_BOOT) or "").endswith("\x01"):
        key = _UBUNTUS_KEY if host.exists(_UBUNTUS_KEY) else _DEBIANS_KEY
        return Reason(
            "secure-boot",
            "The kernel's module is there and not loaded: Secure Boot takes only modules whose "
            "key was enrolled. Enrol it, restart, and confirm it on the blue screen.",
            (f"sudo mokutil --import {key}", "sudo reboot"),
        )
    return Reason(
        "not-loaded",
        "The kernel's module is there and not loaded.",
        ("sudo modprobe nvidia", "sudo dmesg | grep -i nvrm"),
    )


def install(host: Host) -> tuple[str, ...]:
    """How this distribution gets NVIDIA's driver."""
    if "ubuntu" in (host.text("/etc/os-release") or "").lower():
        return ("sudo ubuntu-drivers install",)
    return ("sudo apt install nvidia-driver",)
