"""How this package speaks HTTP: https only, no way out of it, and errors in plain words.

Knows addresses and urllib; knows nothing of files.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from edged.errors import ModelError


def host(url: str) -> str:
    """The server's name, for messages: no path, no login."""
    return urllib.parse.urlsplit(url).hostname or url


def check_url(url: str) -> None:
    """Refuse what is not https (or http to this very machine).

    Raises:
        ModelError: says what is taken.
    """
    split = urllib.parse.urlsplit(url)
    local = split.hostname in ("127.0.0.1", "::1", "localhost")
    if split.scheme != "https" and not (split.scheme == "http" and local):
        raise ModelError(f"{split.scheme}://{split.hostname}: models are fetched over https only")


def explain(error: Exception) -> str:
    """Why a request failed, in words that help."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); is the clock right, "
            "is there a proxy in between?"
        )
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code}"
    if isinstance(reason, TimeoutError):
        return str(reason) or "no answer in time"
    text = getattr(reason, "strerror", None) or str(reason)
    return f"cannot be reached ({text})" if isinstance(error, urllib.error.URLError) else str(text)


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to something that can be listened to."""

    def redirect_request(self, *args: Any) -> Any:
        """Checks the new address first."""
        check_url(args[-1])
        return super().redirect_request(*args)


OPENER = urllib.request.build_opener(_NoDowngrade)
