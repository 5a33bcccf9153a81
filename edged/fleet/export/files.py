"""All files of an export, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from edged.fleet.export import grafana, homeassistant, prometheus, telegraf
from edged.transport.wire import (
    CommandDoc,
    EventDoc,
    GapDoc,
    ReplyDoc,
    ResultDoc,
    StatusDoc,
    VerdictDoc,
)
from edged.transport.wire_health import HealthDoc
from edged.transport.wire_info import InfoDoc

SCHEMAS: dict[str, type[Any]] = {
    "status": StatusDoc, "info": InfoDoc, "health": HealthDoc, "event": EventDoc,
    "result": ResultDoc, "gap": GapDoc, "command": CommandDoc, "reply": ReplyDoc,
    "verdict": VerdictDoc,
}  # fmt: skip

_SCRAPE = """\
# For prometheus.yml; `edged fleet prometheus` serves what is asked for here.
scrape_configs:
  - job_name: edged
    scrape_interval: 10s
    static_configs:
      - targets: ["127.0.0.1:9809"]
rule_files:
  - edged-rules.yml
"""

Device = tuple[str, str, tuple[str, ...]]
"""Site, name, cameras."""


def files(devices: Iterable[Device]) -> dict[str, str]:
    """Relative path -> text.

    Args:
        devices: that Home Assistant's documents are made for.
    """
    made = {
        "prometheus/edged-rules.yml": prometheus.rules(),
        "prometheus/edged-scrape.yml": _SCRAPE,
        "telegraf/edged.conf": telegraf.config(),
        "grafana/edged-fleet.json": _text(grafana.dashboard()),
    }
    for name, struct in SCHEMAS.items():
        made[f"schemas/{name}.schema.json"] = _text(schema(name, struct))
    for site, device, cameras in devices:
        found = homeassistant.discovery(site, device, cameras)
        made[f"homeassistant/edged_{site}_{device}.json"] = _text(found)
    return made


def schema(name: str, struct: type[Any]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a message."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"edged {name}",
        **msgspec.json.schema(struct),
    }


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
