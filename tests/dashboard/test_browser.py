"""The dashboard in a real browser, over a real broker, engine and uplink with real frames.

Screenshots stay in EDGED_TEST_ARTEFACTS, where that names a folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fleet_kit as kit
import paho.mqtt.client as mqtt
import pytest
from booth import Booth
from debian_parts import program
from mosquitto import accepts, free_port, wait_for
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import expect, sync_playwright
from shots import QUICK, face, real_models

from edged.dashboard.accounts import add_account

EVIL = "<img src=x onerror=window.evil=1>"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as one:
        chromium = one.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def booth(tmp_path_factory):
    with Booth(tmp_path_factory.mktemp("booth"), models=real_models(), extra=QUICK) as one:
        yield one


@pytest.fixture(scope="module")
def url(booth, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboard")
    for name, role in (("ann", "operator"), ("ben", "viewer")):
        add_account(folder / "users", name, "correct horse", role)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edged", "dashboard", "--users", str(folder / "users"),
             "--broker", f"mqtt://127.0.0.1:{booth.broker.port}", "--listen", f"127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_for(lambda: process.poll() is not None or accepts(port), 60, "the dashboard")
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert "Traceback" not in (folder / "log").read_text()


def enter(browser, url, name, *, width=1400, height=900):
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", "correct horse")
    page.click("button")
    return page


def keep(page, name):
    folder = os.environ.get("EDGED_TEST_ARTEFACTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.timeout(240)
def test_an_operator_sees_and_steers_a_real_device(browser, booth, url):
    """Online; the picture of the last shot; paused by a command; offline by its last will."""
    page = enter(browser, url, "ann")
    row = page.locator("tr", has_text="test/booth-1")
    expect(row).to_contain_text("online")
    keep(page, "overview")
    row.click()
    page.wait_for_url("**/device/test/booth-1")
    page.get_by_role("tab", name="Pictures").click()
    answer = booth.send(face(1), camera="quick")
    assert answer.verdict.verdict == "queued"
    expect(page.get_by_role("img", name="last picture of quick")).to_be_visible()
    picture = page.locator(".q-img img")
    wait_for(lambda: picture.evaluate("one => one.naturalWidth") == 320, 20, "it is loaded")
    keep(page, "device-picture")
    page.get_by_role("tab", name="Charts").click()
    expect(page.locator("canvas").first).to_be_visible()
    keep(page, "device-charts")
    page.get_by_role("tab", name="Figures").click()
    expect(page.get_by_text("uplink.connected")).to_be_visible()
    keep(page, "device-figures")

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("pause: done")).to_be_visible()
    keep(page, "reply")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Paused by a command.")).to_be_visible()
    assert booth.ask("ping").data["state"] == "paused"
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("resume: done")).to_be_visible()
    page.get_by_role("button", name="Close").click()

    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_text("command-done").first).to_be_visible()
    booth.kill_uplink()
    expect(page.get_by_text(re.compile("Offline. It vanished"))).to_be_visible()
    keep(page, "device-offline")
    page.goto(url)
    expect(page.locator("tr", has_text="test/booth-1")).to_contain_text("offline")
    booth.start_uplink()
    expect(page.locator("tr", has_text="test/booth-1")).to_contain_text("online")
    assert {one for one in page.asked if not one.startswith((url, "data:", "blob:"))} == set()


@pytest.mark.timeout(120)
def test_a_viewer_looks_on_a_phone_and_cannot_act(browser, url):
    """Cards in place of columns, and no button."""
    page = enter(browser, url, "ben", width=390, height=844)
    card = page.locator(".q-card", has_text="test/booth-1")
    expect(card).to_be_visible()
    keep(page, "phone-overview")
    card.click()
    page.wait_for_url("**/device/test/booth-1")
    expect(page.get_by_text("Commands are for operators.")).to_be_visible()
    assert page.get_by_role("button", name="Pause").count() == 0
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "the page is wider than the phone"
    keep(page, "phone-device")


@pytest.mark.timeout(120)
def test_what_a_broker_says_is_shown_and_not_done(browser, booth, url):
    """Markup in every text that a device can choose."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", booth.broker.port)
    client.loop_start()
    info = kit.info(edged=EVIL, runtime=EVIL, models={EVIL: kit.model(EVIL, licence=EVIL)})
    for topic, payload in (
        ("status", kit.status("degraded", EVIL)), ("event", kit.event(EVIL, EVIL)),
        ("info", info), ("health", kit.health()),
    ):  # fmt: skip
        client.publish(f"edged/test/evil/{topic}", payload, 1).wait_for_publish(10)
    client.loop_stop()
    page = enter(browser, url, "ann")
    row = page.locator("tr", has_text="test/evil")
    expect(row).to_contain_text("onerror")
    row.click()
    for tab in ("Events", "Figures", "Info", "Charts"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
    assert page.evaluate("window.evil") is None
    assert page.locator("img[src=x]").count() == 0
