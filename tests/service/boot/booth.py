"""What the tests put into a booted machine: a photo, a consumer, a configuration to change."""

from __future__ import annotations

import json

import cv2
from photos import astronaut
from service.boot.machine import HOME, PROGRAM, Machine

CONFIG = "/etc/edged/edged.toml"
PHOTO = "/srv/photo.jpg"
SEEN = "/srv/seen"
_CONSUMER = f"""\
import hashlib, sys, paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "consumer")
if sys.argv[1:]:
    client.username_pw_set(*sys.argv[1:])
client.on_connect = lambda *_: client.subscribe("edged/#", 1)
def seen(_, __, message):
    with open("{SEEN}", "a") as file:
        digest = hashlib.sha256(message.payload).hexdigest()
        print(message.topic, len(message.payload), digest, file=file, flush=True)
client.on_message = seen
client.connect("127.0.0.1")
client.loop_forever()
"""
_PICTURES = f"cat {SEEN} 2>/dev/null | grep /image/ | sort -u | wc -l"


def furnish(machine: Machine) -> None:
    """A photo of one person, a broker on the loopback, a consumer that writes topics down."""
    jpeg = cv2.imencode(".jpg", astronaut())[1].tobytes()
    machine.put(PHOTO, jpeg)
    machine.put("/srv/consumer.py", _CONSUMER)
    machine.run("systemctl start mosquitto && chmod 755 /srv")
    consume(machine)


def consume(machine: Machine, *login: str) -> None:
    """Start the consumer anew."""
    machine.ask("systemctl stop consumer.service")
    machine.run("systemd-run --quiet --collect --unit=consumer -p Restart=always "
                f"{HOME}/bin/python3 /srv/consumer.py {' '.join(login)}")  # fmt: skip


def install(machine: Machine, changed: str = "") -> None:
    """`edged install --now` with the starter, or with a configuration that the tests wrote."""
    if changed:
        machine.run(f"systemctl reset-failed; {PROGRAM} install >/dev/null")
        machine.run(changed)
    machine.run(f"{PROGRAM} install --now --device booth-7", within_s=110)


def status(machine: Machine) -> dict:
    """The running engine's answer, once it is there."""
    return json.loads(machine.until(f"{PROGRAM} status --json", within_s=110))


def shoot(machine: Machine, *words: str) -> tuple[str, int]:
    """Verdict of a shot of the photo, and how many new pictures the consumer gets by it."""
    before = pictures(machine)
    told = machine.run(f"{PROGRAM} send {PHOTO} --json --want image -o /srv/out.jpg "
                       + " ".join(words), within_s=110)  # fmt: skip
    machine.until(f"test $({_PICTURES}) -gt {before}")
    return json.loads(told)["verdict"], pictures(machine) - before


def pictures(machine: Machine) -> int:
    """How many the consumer has got; one that came twice, after a kill, is one."""
    return int(machine.run(_PICTURES).splitlines()[-1])


def main_pid(machine: Machine, unit: str) -> int:
    """Of a service."""
    return int(machine.show(unit, "MainPID"))


def traces(machine: Machine) -> set[str]:
    """Files, users, groups and units that bear edged's name; the installation in /opt left out."""
    places = "/etc /opt /run /usr/lib/systemd /var"
    found = machine.run(f"find {places} -xdev -iname '*edged*' -not -path '{HOME}*'")
    found += "\n" + machine.ask("getent passwd edged; getent group edged")[1]
    found += "\n" + machine.run("systemctl list-units --all --no-legend --plain 'edged*'")
    return {line for line in found.splitlines() if line}
