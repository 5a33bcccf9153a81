"""What is generated for others: each file is read by what it is for, or by a strict reader."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections import Counter

import fleet_kit as kit
import msgspec
import paho.mqtt.client as mqtt
import pytest
from booth import Booth
from debian_parts import program
from mosquitto import Mosquitto, accepts, free_port, wait_for
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import generate_latest
from shots import QUICK, face, real_models

from edged.fleet.export import grafana, homeassistant, prometheus, telegraf
from edged.fleet.export.announcer import Announcer
from edged.fleet.export.files import SCHEMAS, files, schema
from edged.fleet.export.metrics import ANY, metrics
from edged.fleet.fleet import Fleet
from edged.transport.wire import ReplyDoc
from edged.transport.wire_health import HealthDoc

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def real_health(tmp_path_factory):
    """A health document of a real engine after a shot, as plain tables."""
    folder = tmp_path_factory.mktemp("booth")
    with Booth(folder, models=real_models(), extra=QUICK) as booth:
        booth.send(face(1), camera="quick")
        booth.consumer.wait(lambda: booth.consumer.health.get("stages"), 30, "figures of a frame")
        return booth.consumer.health


def leaves(doc, path=()):
    for key, value in doc.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def matches(path, pattern):
    return len(path) == len(pattern) and all(
        q in (ANY, p) for p, q in zip(path, pattern, strict=True)
    )


def test_every_number_of_a_real_document_is_a_metric(real_health):
    """None is forgotten, and none is told twice."""
    patterns = [metric.path for metric in metrics()]
    told = {"v", "ts_ms", "latency"}
    numbers = [
        path for path, value in leaves(real_health)
        if isinstance(value, int | float) and path[0] not in told and path[-1] != "embeds_per_face"
    ]  # fmt: skip
    assert len(numbers) > 25
    assert [p for p in numbers if sum(matches(p, one) for one in patterns) != 1] == []
    names = Counter(metric.name for metric in metrics())
    assert [name for name, count in names.items() if count > 1] == []


def test_a_real_document_is_of_the_definition(real_health):
    """It decodes, and nothing in it is unknown to readers."""
    doc = msgspec.convert(real_health, HealthDoc)
    known = set(msgspec.to_builtins(doc))
    assert set(real_health) <= known
    assert schema("health", HealthDoc)["$defs"]["HealthDoc"]["properties"].keys() >= known


def test_prometheus_text_passes_promtool(real_health):
    """Names, units, types and help of a real device and a simulated one."""
    fleet = Fleet()
    for base, health in (
        ("edged/museum/booth-7", json.dumps(real_health).encode()),
        ("edged/pier/booth-8", kit.health(shown=9, refused=2, cpu_temp_c=50.0)),
    ):
        fleet.feed(f"{base}/status", kit.status("degraded", "uplink-absent"), 0.0)
        fleet.feed(f"{base}/health", health, 0.0)
    collector = prometheus.FleetCollector(fleet, lambda make: make())
    text = generate_latest(prometheus.registry(collector)).decode()
    assert 'edged_state{device="booth-7",site="museum",state="degraded"} 1.0' in text
    assert 'edged_verdicts_total{device="booth-8",site="pier",verdict="refused"} 2.0' in text
    assert 'edged_latency_seconds_bucket{device="booth-7",le="+Inf",site="museum"}' in text
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_alert_rules_pass_promtool_and_ask_for_metrics_that_exist(tmp_path):
    """Each expression parses."""
    (tmp_path / "rules.yml").write_text(prometheus.rules())
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 rules found" in done.stdout
    ours = {metric.name for metric in metrics()}
    ours |= {"edged_state", "edged_trouble", "edged_fleet_messages_total"}
    assert set(re.findall(r"\bedged_[a-z0-9_]+", prometheus.rules())) <= ours


def test_grafana_asks_for_metrics_that_exist():
    """And panels do not overlap."""
    made = grafana.dashboard()
    ours = {metric.name for metric in metrics()} | {"edged_state", "edged_latency_seconds_bucket"}
    asked = {name for panel in made["panels"]
             for name in re.findall(r"edged_[a-z0-9_]+", panel["targets"][0]["expr"])}  # fmt: skip
    assert asked <= ours
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in made["panels"]]
    assert len(set(places)) == len(places)


def test_telegraf_paths_exist_in_a_real_document(real_health):
    """Of those that this machine can tell; the others are in the definition, and optional."""
    (plugin,) = tomllib.loads(telegraf.config())["inputs"]["mqtt_consumer"]
    parser = plugin["json_v2"][0]
    told = {".".join(path) for path, _value in leaves(real_health)}
    fields = {one["path"] for one in parser["field"]}
    assert {"fps", "uptime_s", "outbox.depth", "rss_mb", "uplink.connected"} <= fields & told
    defined = {".".join(m.path) for m in metrics() if ANY not in m.path}
    assert fields == defined
    assert all(one["optional"] for one in parser["field"] if one["path"] not in told)
    tables = {one["path"] for one in parser["object"]}
    assert {"stages", "verdicts", "guard"} <= tables <= set(real_health)
    assert parser["timestamp_path"] in told


# Keys that Home Assistant documents for entities of MQTT discovery:
# https://www.home-assistant.io/integrations/mqtt/ and the page of each platform.
COMMON = {"platform", "unique_id", "name", "icon", "entity_category", "json_attributes_topic",
          "json_attributes_template"}  # fmt: skip
PLATFORMS = {
    "sensor": ({"state_topic"}, {"value_template", "unit_of_measurement", "device_class",
               "state_class", "expire_after", "options"}),
    "binary_sensor": ({"state_topic"}, {"value_template", "device_class"}),
    "button": ({"command_topic"}, {"command_template"}),
    "image": ({"image_topic"}, {"content_type"}),
}  # fmt: skip
UNITS = {"duration": {"ms", "s", "min", "h", "d"}, "temperature": {"°C", "°F", "K"},
         "data_size": {"B", "kB", "MB", "GB"}}  # fmt: skip


def test_discovery_holds_to_what_home_assistant_documents():
    """Required keys, no unknown ones, unique ids, units that fit their class."""
    made = homeassistant.discovery("museum", "booth-7", ["door", "booth"])
    assert set(made) == {"device", "origin", "availability", "qos", "components"}
    assert made["device"]["identifiers"]
    assert made["origin"]["name"] == "edged"
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config",
                        homeassistant.topic("museum", "booth-7"))  # fmt: skip
    parts = made["components"]
    assert len({one["unique_id"] for one in parts.values()}) == len(parts)
    for one in parts.values():
        required, optional = PLATFORMS[one["platform"]]
        assert required <= set(one)
        assert set(one) <= required | optional | COMMON
        units = UNITS.get(one.get("device_class"))
        assert units is None or one["unit_of_measurement"] in units
        assert not (one.get("device_class") == "enum" and "state_class" in one)
    assert parts["picture_door"]["image_topic"] == "edged/museum/booth-7/image/door"


def test_templates_find_their_figures_in_a_real_document(real_health):
    """Home Assistant's language is Jinja; a figure that is not told is unknown, no error."""
    jinja2 = pytest.importorskip("jinja2")  # NiceGUI brings it
    parts = homeassistant.discovery("museum", "booth-7", [])["components"]
    said = {
        key: jinja2.Template(one["value_template"]).render(value_json=real_health)
        for key, one in parts.items()
        if one.get("state_topic", "").endswith("/health")
    }
    assert float(said["rss_mb"]) == real_health["rss_mb"]
    assert float(said["pictures"]) == real_health["verdicts"]["queued"]
    assert said["gpu_temp_c"] in {"None", str(real_health.get("gpu_temp_c"))}
    command = jinja2.Template(parts["pause"]["command_template"])
    text = command.render(now=lambda: __import__("datetime").datetime(2026, 1, 1))
    assert set(json.loads(text)) == {"v", "id", "ts_ms", "ttl_s", "data"}


@pytest.mark.parametrize(("status", "error"), [("ok", ""), ("error", "challenge")])
def test_home_assistant_shows_whether_a_command_was_obeyed(status, error):
    """With the words for people, and nothing of what else the reply carries."""
    jinja2 = pytest.importorskip("jinja2")  # NiceGUI brings it
    part = homeassistant.discovery("museum", "booth-7", [])["components"]["last_command"]
    reply = msgspec.to_builtins(
        ReplyDoc(id="ha-1", ts_ms=1, status=status, error=error, text="t", data={"nonce": "n"})
    )
    render = lambda key: jinja2.Template(part[key]).render(value_json=reply)  # noqa: E731
    assert render("value_template") == (error or status)
    assert json.loads(render("json_attributes_template")) == {"text": "t", "id": "ha-1"}


def test_devices_are_announced_once_again_after_a_restart_and_taken_back():
    """Retained documents, by what `info` says of cameras."""
    sent = []
    announcer = Announcer(lambda topic, document: sent.append((topic, document)))
    info = kit.info(cameras={"booth": "hide", "<b>": "x"})
    for _ in range(3):
        announcer.heard("edged/museum/booth-7/info", info)
    assert [topic for topic, _ in sent] == ["homeassistant/device/edged_museum_booth-7/config"]
    assert "picture_booth" in json.loads(sent[0][1])["components"]
    assert json.loads(sent[0][1])["device"]["sw_version"] == "1.0"
    assert b"<b>" not in sent[0][1]
    announcer.heard("homeassistant/status", b"online")
    assert sent[1] == sent[0]
    announcer.heard("edged/museum/booth-7/status", b"")
    assert (sent[2][1], announcer.said) == (b"", {})


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_message_has_a_schema(name):
    """With its required keys."""
    made = schema(name, SCHEMAS[name])
    assert made["$schema"].startswith("https://json-schema.org/")
    assert next(iter(made["$defs"].values()))["properties"]


def test_the_command_writes_all_files(tmp_path):
    """By name, for machines too."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", "fleet", "export", "--out", str(tmp_path), "--json",
         "--device", "museum/booth-7/booth"],
        capture_output=True, check=True,
    )  # fmt: skip
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert written == set(json.loads(done.stdout)["files"])
    assert written == set(files([("museum", "booth-7", ("booth",))]))


def test_the_endpoint_tells_of_real_messages(tmp_path):
    """Over a real broker, by HTTP; Ctrl-C ends it."""
    with Mosquitto(tmp_path) as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.publish("edged/museum/b/status", kit.status(), 1, True).wait_for_publish(10)
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "edged", "fleet", "prometheus", "--listen", f"127.0.0.1:{port}",
             "--broker", f"mqtt://127.0.0.1:{broker.port}"], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: accepts(port), 40, "the endpoint")
            client.publish("edged/museum/b/health", kit.health(fps=7.5), 1).wait_for_publish(10)

            def told():
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    return 'edged_fps{device="b",site="museum"} 7.5' in answer.read().decode()

            wait_for(told, 10, "the figure")
        finally:
            process.send_signal(2)
            assert process.wait(20) == 130
            client.loop_stop()


def test_announcements_stay_at_the_broker_until_removed(tmp_path):
    """`--once` and `--remove`, for a script or a timer."""
    with Mosquitto(tmp_path) as broker:
        client, kept, new = mqtt.Client(CallbackAPIVersion.VERSION2), {}, threading.Event()
        client.on_message = lambda _c, _d, m: (kept.__setitem__(m.topic, m.payload), new.set())
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.publish("edged/museum/b/info", kit.info(cameras={}), 1, True).wait_for_publish(10)
        client.subscribe("homeassistant/#", 1)
        for option, expected in (("--once", True), ("--remove", False)):
            subprocess.run(
                [sys.executable, "-m", "edged", "fleet", "announce", option, "--broker",
                 f"mqtt://127.0.0.1:{broker.port}"], check=True,
            )  # fmt: skip
            topic = "homeassistant/device/edged_museum_b/config"
            wait_for(lambda t=topic, e=expected: t in kept and bool(kept[t]) is e, 10, option)
        client.loop_stop()
