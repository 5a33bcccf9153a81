"""The buttons that give commands, each with a question before and the reply after."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from nicegui import run, ui

from edged.dashboard.accounts import Session
from edged.errors import EdgedError
from edged.fleet.caller import Caller
from edged.transport.wire import Command, ReplyDoc

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
"""As long as the device's own patience with its engine."""

_BUTTONS: tuple[tuple[Command, str, str, str], ...] = (
    ("pause", "pause", "Pause", "No frame is taken until somebody resumes it."),
    ("resume", "play_arrow", "Resume", "It takes frames again."),
    ("selftest", "health_and_safety", "Self-test", "Every part is tried once; frames wait for it."),
    ("replay", "replay", "Replay", "Results that are kept are published once more, as historical."),
    ("rotate-identity", "autorenew", "Next identity", "Faces get the next character."),
    ("diagnostics", "troubleshoot", "Diagnostics", "It tells its figures; never a picture."),
)

Still = Callable[[], Session | None]
"""The session as it is now: it may have ended since the page was made."""


class Actions:
    """Buttons for one device, for somebody who may act; nothing for others.

    Args:
        caller: gives the commands.
        site: of the device.
        device: its name.
        still: asks for the session again.
    """

    def __init__(self, caller: Caller, site: str, device: str, still: Still) -> None:
        self._caller = caller
        self._site = site
        self._device = device
        self._still = still
        session = still()
        if session is None or not session.may_act:
            ui.label("You may look. Commands are for operators.").classes("text-grey")
            return
        with ui.row().classes("gap-2"):
            for name, icon, label, means in _BUTTONS:
                ui.button(
                    label, icon=icon,
                    on_click=lambda _e, n=name, t=label, m=means: self._ask(n, t, m),
                ).props("outline no-caps dense").classes("q-px-sm")  # fmt: skip
            ui.button("Purge", icon="delete_forever", on_click=self._ask_purge).props(
                "outline no-caps dense color=negative"
            ).classes("q-px-sm")

    def _ask(self, name: Command, title: str, means: str) -> None:
        with ui.dialog() as dialog, ui.card().classes("w-96"):
            ui.label(f"{title}: {self._site}/{self._device}").classes("text-h6")
            ui.label(means)
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
                ui.button(title, on_click=lambda: self._do(dialog, name, {})).props("no-caps")
        dialog.open()

    def _ask_purge(self) -> None:
        with ui.dialog() as dialog, ui.card().classes("w-96"):
            ui.label(f"Purge: {self._site}/{self._device}").classes("text-h6")
            ui.label("Stored pictures are destroyed for good. What the broker has, it keeps.")
            consent = ui.input("Consent reference; empty for everything").classes("w-full")
            sure = ui.input(f'Type "{self._device}" to go on').classes("w-full")
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
                ui.button(
                    "Purge", color="negative",
                    on_click=lambda: self._purge(dialog, consent.value, sure.value),
                ).props("no-caps").bind_enabled_from(sure, "value", self._is_it)  # fmt: skip
        dialog.open()

    def _is_it(self, typed: object) -> bool:
        return typed == self._device

    async def _purge(self, dialog: ui.dialog, consent: str, sure: str) -> None:
        if sure == self._device:
            await self._do(dialog, "purge", {"consent": consent} if consent else {"all": True})

    async def _do(self, dialog: ui.dialog, name: Command, data: dict[str, Any]) -> None:
        dialog.close()
        session = self._still()
        if session is None or not session.may_act:
            ui.notify("Your session has ended: log in again.", type="negative")
            return
        log.info("%s: %s by %s", f"{self._site}/{self._device}", name, session.user)
        waiting = ui.notification(f"{name}: waiting for the device", spinner=True, timeout=None)
        try:
            reply = await run.io_bound(
                self._caller.call, self._site, self._device, name, data, TIMEOUT_S
            )
        except EdgedError as error:
            _say(f"{name}: no reply", str(error), {}, good=False)
            return
        finally:
            waiting.dismiss()
        if reply is not None:  # None: the page is being closed
            _show(name, reply)


def _show(name: str, reply: ReplyDoc) -> None:
    good = reply.status == "ok"
    _say(f"{name}: {'done' if good else 'refused'}", reply.said, reply.data, good=good)


def _say(title: str, text: str, data: dict[str, Any], *, good: bool) -> None:
    with ui.dialog(value=True) as dialog, ui.card().classes("w-[36rem] max-w-full"):
        ui.label(title).classes(f"text-h6 text-{'positive' if good else 'negative'}")
        if text:
            ui.label(text)
        if data:
            ui.label(json.dumps(data, indent=2)[:20_000]).classes(
                "font-mono text-xs whitespace-pre overflow-auto max-h-96 w-full"
            )
        ui.button("Close", on_click=dialog.close).props("flat no-caps").classes("self-end")
