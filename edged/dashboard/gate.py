"""The gate before every page, script, picture and web socket.

Without a session a request gets the login page and a web socket gets nothing.  A request
that another site's page makes is refused: browsers say whose it is (`Sec-Fetch-Site`,
`Origin`), and the cookie is not sent with it (`SameSite=Strict`).
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from edged.dashboard.accounts import MAX_PASSWORD, Door

COOKIE = "edged_session"
MAX_FORM_BYTES = 4096

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    # Vue compiles templates in the page, which needs eval; nothing comes from elsewhere.
    (
        b"content-security-policy",
        (
            b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
            b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
            b"frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
        ),
    ),
)


class Gate:
    """ASGI middleware around all of the page.

    Args:
        app: what is behind the gate.
        door: knows who may pass.
        secure: the page is served with TLS: the cookie never goes without.
    """

    def __init__(self, app: App, door: Door, *, secure: bool) -> None:
        self._app = app
        self._door = door
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass, refuse, or show the login."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if _foreign(connection.headers):
            await _refuse(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in {"/login", "/logout"}:
            answer = await self._doorstep(Request(scope, receive))
            await answer(scope, receive, _with_headers(send))
            return
        session = self._door.session(connection.cookies.get(COOKIE, ""))
        if session is None:
            if scope["type"] == "http":
                await RedirectResponse("/login", 303)(scope, receive, _with_headers(send))
            else:
                await _refuse(scope, receive, send)
            return
        scope.setdefault("state", {})["session"] = session
        await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    async def _doorstep(self, request: Request) -> Response:
        if request.url.path == "/logout":
            self._door.leave(request.cookies.get(COOKIE, ""))
            gone = RedirectResponse("/login", 303)
            gone.delete_cookie(COOKIE)
            return gone
        if request.method != "POST":
            return HTMLResponse(_page(""))
        if int(request.headers.get("content-length") or MAX_FORM_BYTES + 1) > MAX_FORM_BYTES:
            return HTMLResponse(_page("Too long."), 413)
        form = await request.form()
        name = str(form.get("name", ""))[:64]
        password = str(form.get("password", ""))[: MAX_PASSWORD + 1]
        token = await run_in_threadpool(self._door.enter, name, password)
        if token is None:
            return HTMLResponse(_page("Wrong, or too many tries: wait a bit."), 403)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=self._secure)
        return answer


def _foreign(headers: Headers) -> bool:
    """Whether a page of another site makes this request."""
    site = headers.get("sec-fetch-site", "")
    if site in {"cross-site", "same-site"} and headers.get("sec-fetch-mode") != "navigate":
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await PlainTextResponse("refused", 403)(scope, receive, send)


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return sending


def _page(problem: str) -> str:
    """The login page; plain HTML, so that it works before anything else does."""
    return _LOGIN.replace("PROBLEM", html.escape(problem))


_LOGIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>edged fleet: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
       background: light-dark(#f4f5f7, #14171a) }
form { width: min(20rem, 88vw); padding: 2rem; border-radius: 12px; display: grid; gap: .8rem;
       background: light-dark(#fff, #1d2226); box-shadow: 0 2px 16px #0003 }
h1 { margin: 0 0 .4rem; font-size: 1.3rem }
label { display: grid; gap: .2rem; font-size: .9rem }
input, button { font: inherit; padding: .6rem .7rem; border-radius: 8px; border: 1px solid #8886 }
button { border: 0; background: #1565c0; color: #fff; cursor: pointer }
p { margin: 0; min-height: 1.5em; color: light-dark(#b71c1c, #ff8a80); font-size: .9rem }
</style></head><body>
<form method="post" action="/login"><h1>edged fleet</h1>
<label>Name <input name="name" autocomplete="username" autofocus required></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required></label>
<p role="alert">PROBLEM</p><button>Log in</button></form></body></html>
"""
