"""Puts gate, pages, board and link together, and serves them."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import ui

from edged.dashboard.accounts import Door, Session
from edged.dashboard.device_page import DevicePage
from edged.dashboard.gate import COOKIE, Gate
from edged.dashboard.overview_page import OverviewPage
from edged.dashboard.shell import shell
from edged.fleet.access import Access
from edged.fleet.board import Board
from edged.fleet.caller import Caller
from edged.fleet.fleet import Fleet
from edged.fleet.link import FleetLink
from edged.fleet.messages import FILTERS
from edged.transport.topics import is_name

log = logging.getLogger(__name__)

_GOODBYE_S = 2
"""Browsers keep their web sockets open: a stop does not wait for them longer."""


@dataclass(frozen=True)
class Listen:
    """Where the page is served.

    Attributes:
        host, port: to listen on.
        cert_file, key_file: PEM files for https; None serves http.
    """

    host: str
    port: int
    cert_file: Path | None = None
    key_file: Path | None = None


def serve(access: Access, listen: Listen, door: Door) -> None:
    """Listen to the broker and serve the page until SIGINT or SIGTERM.

    Raises:
        ConfigError: a file of the access cannot be used.
    """
    board = Board(Fleet())

    def heard(topic: str, payload: bytes, _retained: bool) -> None:
        board.heard(topic, payload)
        caller.heard(topic, payload)

    link = FleetLink(access, FILTERS, heard)
    caller = Caller(link.publish)
    with link:
        pages = _pages(board, caller, link, door)
        config = uvicorn.Config(
            Gate(pages, door, secure=listen.cert_file is not None),
            host=listen.host,
            port=listen.port,
            ssl_certfile=listen.cert_file,
            ssl_keyfile=listen.key_file,
            log_level="warning",
            server_header=False,
            ws_max_size=1 << 20,
            timeout_graceful_shutdown=_GOODBYE_S,
        )
        # uvicorn raises the signal that ended it once more, for whoever was there before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        asyncio.run(uvicorn.Server(config).serve())


def _pages(board: Board, caller: Caller, link: FleetLink, door: Door) -> FastAPI:
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def still(request: Request) -> Session | None:
        return door.session(request.cookies.get(COOKIE, ""))

    @web.get("/picture/{site}/{device}/{camera}")
    def picture(site: str, device: str, camera: str) -> Response:
        if not all(map(is_name, (site, device, camera))):
            return Response(status_code=404)
        jpeg = board.picture(f"{site}/{device}", camera)
        headers = {"cache-control": "no-store"}
        if not jpeg:
            return Response(status_code=404, headers=headers)
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    @ui.page("/", response_timeout=10)
    def overview(request: Request) -> None:
        with shell("Overview", request.state.session, link):
            OverviewPage(board)

    @ui.page("/device/{site}/{device}", response_timeout=10)
    def one(request: Request, site: str, device: str) -> None:
        sound = is_name(site) and is_name(device)
        with shell(f"{site}/{device}" if sound else "?", request.state.session, link):
            if sound:
                DevicePage(board, caller, site, device, lambda: still(request))
            else:
                ui.label("That is no device's address.")

    ui.run_with(
        web, title="edged fleet", dark=None, show_welcome_message=False,
        reconnect_timeout=10.0, binding_refresh_interval=1.0,
    )  # fmt: skip
    return web
