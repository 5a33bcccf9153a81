"""A real Prometheus reads the endpoint, weighs the rules and answers what Grafana asks."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from contextlib import ExitStack

import pytest
from debian_parts import program
from mosquitto import Mosquitto, accepts, free_port, wait_for

from edged.fleet.export import grafana
from edged.fleet.export.files import files


def ready(port):
    """Whether it has read its database."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
            return True
    except OSError:  # HTTP 503 is one
        return False


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Asks a Prometheus that watches eight simulated devices over a real broker."""
    folder, web, figures = tmp_path_factory.mktemp("prometheus"), free_port(), free_port()
    for name, text in files([]).items():
        if name.startswith("prometheus/"):
            quick = text.replace("10s", "1s").replace(":9809", f":{figures}")
            (folder / name.rpartition("/")[2]).write_text(quick)
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {evaluation_interval: 1s}\n" + (folder / "edged-scrape.yml").read_text()
    )

    def get(path, **query):
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        url = f"http://127.0.0.1:{web}/api/v1/{path}{words}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        url = f"mqtt://127.0.0.1:{broker.port}"
        edged = [sys.executable, "-m", "edged"]
        for argv in (
            [*edged, "fleet", "prometheus", "--broker", url, "--listen", f"127.0.0.1:{figures}"],
            [*edged, "simulate", "--devices", "8", "--health-s", "1", "--broker", url],
            [program("prometheus"), f"--config.file={config}",
             f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{web}"],
        ):  # fmt: skip
            log = stack.enter_context((folder / "log").open("ab"))
            process = subprocess.Popen(argv, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_for(lambda: accepts(web) and ready(web), 30, "prometheus")
        wait_for(lambda: get("query", query="edged_fps")["result"], 40, "figures")
        yield get


def test_the_endpoint_is_read_without_an_error(ask):
    """By the configuration that `edged fleet export` writes."""
    (target,) = ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_each_panel_of_grafana_gets_an_answer(ask):
    """Its query, with all sites and devices chosen."""
    for panel in grafana.dashboard()["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace('"$site"', '".+"').replace('"$device"', '".+"')
            # a rate needs two documents
            wait_for(lambda q=query: ask("query", query=q)["result"], 20, panel["title"])


def test_the_rules_are_weighed_and_find_who_needs_help(ask):
    """One of the eight is offline, one degraded, as `edged simulate` has it."""

    def weighed():
        return {rule["name"]: rule for group in ask("rules")["groups"] for rule in group["rules"]}

    wait_for(lambda: all(weighed()[name]["alerts"] for name in ("EdgedOffline", "EdgedDegraded")))
    rules = weighed()
    assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    for name, device in (("EdgedOffline", "sim-0007"), ("EdgedDegraded", "sim-0005")):
        (alert,) = rules[name]["alerts"]
        assert alert["labels"]["device"] == device
        assert device in alert["annotations"]["summary"]
        assert alert["annotations"]["remedy"]
