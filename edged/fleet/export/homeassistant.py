"""Home Assistant's device discovery: one retained document makes a device with its entities.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (2024.11 and later).
Entities read edged's own topics; nothing is added to them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from edged import __version__
from edged.transport.topics import Topics
from edged.transport.wire import Command

PREFIX = "homeassistant"
BIRTH = f"{PREFIX}/status"
"""Where Home Assistant says that it has begun: devices are announced again."""
EXPIRE_S = 60
"""A figure without a health document for so long is unknown."""
URL = "https://www.home-assistant.io/integrations/mqtt/"


@dataclass(frozen=True)
class _Sensor:
    """A figure: key in its document, name, unit, device class, state class."""

    key: str
    name: str
    unit: str = ""
    device_class: str = ""
    state_class: str = "measurement"
    path: str = ""
    diagnostic: bool = True


_SENSORS: tuple[_Sensor, ...] = (
    _Sensor("fps", "Pictures a second", "1/s", diagnostic=False),
    _Sensor("latency_p95_ms", "Latency p95", "ms", "duration"),
    _Sensor("cpu_temp_c", "CPU temperature", "°C", "temperature"),
    _Sensor("gpu_temp_c", "GPU temperature", "°C", "temperature"),
    _Sensor("rss_mb", "Engine memory", "MB", "data_size"),
    _Sensor("uptime_s", "Uptime", "s", "duration"),
    _Sensor("outbox_depth", "Waiting results", path="outbox.depth"),
    _Sensor("outbox_oldest", "Oldest waiting result", "s", "duration",
            path="outbox.oldest_unsent_s"),
    _Sensor("pictures", "Pictures", path="verdicts.queued", state_class="total_increasing",
            diagnostic=False),
    _Sensor("refused", "Refused", path="verdicts.refused", state_class="total_increasing",
            diagnostic=False),
)  # fmt: skip
BUTTONS: tuple[tuple[Command, str, str], ...] = (
    ("pause", "Pause", "mdi:pause"),
    ("resume", "Resume", "mdi:play"),
    ("selftest", "Self-test", "mdi:stethoscope"),
)
"""Command, name, icon."""
_COMMAND = (
    '{"v": 1, "id": "ha-{{ (now().timestamp() * 1000) | int }}", '
    '"ts_ms": {{ (now().timestamp() * 1000) | int }}, "ttl_s": 30, "data": {}}'
)


def topic(site: str, device: str) -> str:
    """Where the document of a device belongs."""
    return f"{PREFIX}/device/edged_{site}_{device}/config"


def discovery(
    site: str, device: str, cameras: Collection[str], version: str = ""
) -> dict[str, Any]:
    """The retained document.

    Args:
        site: of the device.
        device: its name.
        cameras: whose last pictures become image entities.
        version: of the device's edged, where it is known.
    """
    topics = Topics(site, device)
    ours = f"edged_{site}_{device}"
    parts: dict[str, Any] = {
        "state": {
            "platform": "sensor", "unique_id": f"{ours}_state", "name": "State",
            "state_topic": topics.status, "value_template": "{{ value_json.state }}",
            "json_attributes_topic": topics.status, "device_class": "enum",
            "options": ["online", "degraded", "paused", "offline"], "icon": "mdi:state-machine",
        },
        "problem": {
            "platform": "binary_sensor", "unique_id": f"{ours}_problem", "name": "Problem",
            "state_topic": topics.status, "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.state == 'degraded' else 'OFF' }}",
        },
        # Whoever presses a button sees here whether it was obeyed: a device without a clock, or
        # just started, asks back, which Home Assistant cannot answer.
        "last_command": {
            "platform": "sensor", "unique_id": f"{ours}_last_command", "name": "Last command",
            "state_topic": topics.reply("+"), "icon": "mdi:message-reply-text",
            "value_template": "{{ value_json.error or value_json.status }}",
            "json_attributes_topic": topics.reply("+"),
            "json_attributes_template":
                "{{ {'text': value_json.text, 'id': value_json.id} | tojson }}",
            "entity_category": "diagnostic",
        },
    }  # fmt: skip
    parts |= {one.key: _sensor(ours, topics, one) for one in _SENSORS}
    for name, label, icon in BUTTONS:
        parts[name] = {
            "platform": "button", "unique_id": f"{ours}_{name}", "name": label, "icon": icon,
            "command_topic": topics.command(name), "command_template": _COMMAND,
            "entity_category": "config",
        }  # fmt: skip
    for camera in sorted(cameras):
        parts[f"picture_{camera}"] = {
            "platform": "image", "unique_id": f"{ours}_picture_{camera}",
            "name": f"Last picture of {camera}", "image_topic": topics.image(camera),
            "content_type": "image/jpeg",
        }  # fmt: skip
    known = {"sw_version": version} if version else {}
    return {
        "device": {
            "identifiers": [ours], "name": device, "manufacturer": "edged", "model": "edged",
            "suggested_area": site, **known,
        },
        "origin": {"name": "edged", "sw_version": __version__, "support_url": URL},
        "availability": [
            {
                "topic": topics.status,
                "value_template":
                    "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
            }
        ],
        "qos": 1,
        "components": parts,
    }  # fmt: skip


def _sensor(ours: str, topics: Topics, one: _Sensor) -> dict[str, Any]:
    path = (one.path or one.key).split(".")
    found = "value_json" + "".join(f".get('{key}', {{}})" for key in path[:-1])
    last = "0" if one.state_class == "total_increasing" else "None"
    made = {
        "platform": "sensor", "unique_id": f"{ours}_{one.key}", "name": one.name,
        "state_topic": topics.doc("health"), "expire_after": EXPIRE_S,
        "value_template": f"{{{{ {found}.get('{path[-1]}', {last}) }}}}",
        "state_class": one.state_class,
    }  # fmt: skip
    if one.diagnostic:
        made["entity_category"] = "diagnostic"
    if one.unit:
        made["unit_of_measurement"] = one.unit
    if one.device_class:
        made["device_class"] = one.device_class
    return made
