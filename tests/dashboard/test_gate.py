"""The gate: nothing is behind it for those without a session, nor for other sites' pages."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from edged.dashboard import accounts
from edged.dashboard.accounts import Door, add_account, read_accounts
from edged.dashboard.gate import COOKIE, Gate


def page(request):
    return PlainTextResponse(f"hello {request.state.session.user}")


async def socket(websocket):
    await websocket.accept()
    await websocket.send_text("in")
    await websocket.close()


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "_COST", 2**4)
    add_account(tmp_path / "u", "ann", "correct horse", "viewer")
    app = Starlette(routes=[Route("/{rest:path}", page), WebSocketRoute("/ws", socket)])
    gate = Gate(app, Door(read_accounts(tmp_path / "u")), secure=False)
    return TestClient(gate, base_url="http://testserver", follow_redirects=False)


def log_in(client, password="correct horse", **headers):
    return client.post("/login", data={"name": "ann", "password": password}, headers=headers)


@pytest.mark.parametrize("path", ["/", "/device/a/b", "/picture/a/b/c", "/_nicegui/x.js", "/ws/"])
def test_every_path_leads_to_the_login(client, path):
    """Scripts and pictures too."""
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Log in" in client.get("/login").text


def test_a_web_socket_without_a_session_is_closed(client):
    """It is the way that clicks come."""
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass


def test_with_the_password_pages_and_sockets_open(client):
    """By a cookie that scripts cannot read and other sites do not send."""
    answer = log_in(client)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert all(word in cookie for word in (COOKIE, "httponly", "samesite=strict"))
    assert client.get("/").text == "hello ann"
    with client.websocket_connect("/ws", headers={"origin": "http://testserver"}) as one:
        assert one.receive_text() == "in"


def test_a_wrong_password_stays_outside(client):
    """With a word that tells nothing of which was wrong."""
    answer = log_in(client, "wrong")
    assert answer.status_code == 403
    assert "ann" not in answer.text
    assert client.get("/").status_code == 303


def test_a_session_ends_with_the_logout(client):
    """The old cookie opens nothing any more."""
    log_in(client)
    token = client.cookies[COOKIE]
    client.get("/logout")
    client.cookies.set(COOKIE, token)
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.test"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
def test_a_page_of_another_site_gets_nothing_done(client, headers):
    """Neither a request nor a socket nor a login, with the cookie or without."""
    assert log_in(client, **headers).status_code == 403
    log_in(client)
    assert client.get("/", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=headers):
        pass


def test_pages_say_that_nothing_comes_from_elsewhere(client):
    """Content policy, no frames, no sniffing."""
    headers = client.get("/login").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")


def test_a_huge_login_is_not_read(client):
    """Limits come first."""
    assert log_in(client, "x" * 10_000).status_code == 413
