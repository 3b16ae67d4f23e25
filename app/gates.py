"""The gates of plain ASGI in front of all that the server answers, Streamlit's endpoints included."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import sign_in
from app.access_token import AccessToken
from app.refusals import refusal, refuse

_YEAR_S = 365 * 24 * 3600


def gates(*, key: str, access_token: str | None, host: str) -> list[Middleware]:
    """Return the gates of a server bound to ``host``, outermost first."""
    outer: list[Middleware] = []
    if access_token:
        outer.append(Middleware(AccessToken, key=key, token=access_token))
    elif is_loopback(host):
        outer.append(Middleware(KnownHost, hosts={host.strip("[]"), sign_in.oidc_host()}))
    return [*outer, Middleware(OwnPagesOnly), Middleware(AnnotatorName, key=key)]


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class KnownHost:
    """Turns away requests whose Host header is not this machine, as DNS rebinding sends them.

    The ``hosts`` are welcome too: what the server is bound to, and where people come back to from signing
    in, which may be a proxy on this machine. A server with an access token needs no such gate: a rebound
    name has none of its cookies.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str | None]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request here, or pass it on."""
        if scope["type"] in ("http", "websocket"):
            asked = _host_name(HTTPConnection(scope).headers.get("host", ""))
            if asked not in self.hosts and not is_loopback(asked):
                sentence = (
                    "This server answers only to localhost and 127.0.0.1. "
                    "To reach it under another name, start it with --access-token."
                )
                await refuse(refusal(scope, HTTPStatus.MISDIRECTED_REQUEST, sentence), scope, receive, send)
                return
        await self.app(scope, receive, send)


class OwnPagesOnly:
    """Answers ``/api`` to our own pages only, so that another site cannot act for the annotator."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request here, or pass it on."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            headers = HTTPConnection(scope).headers
            origin = headers.get("origin")
            sentence = None
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") or (
                origin is not None and urlsplit(origin).netloc != headers.get("host")
            ):
                sentence = "This request came from another site. Use Qualm's own pages."
            elif scope["method"] not in ("GET", "HEAD", "OPTIONS") and headers.get("x-qualm") != "1":
                sentence = "A request that changes something needs the header X-Qualm: 1."
            if sentence:
                await refuse(refusal(scope, HTTPStatus.FORBIDDEN, sentence), scope, receive, send)
                return
        await self.app(scope, receive, send)


class AnnotatorName:
    """Gives each browser a signed name, and each request to our routes the name behind it.

    The name lies in ``request.state.annotator``. With OIDC it is the user's e-mail address, no cookie
    of ours is set, and our routes answer 401 until somebody has signed in; once the settings to sign in with
    are gone, all that is asked for is answered 503. A page may say in the header
    ``X-Annotator``, percent-encoded, whose it is: they answer 401 as well when that is not who is signed in
    by now, so that nothing is saved under another person's name. A name of ours is that of the browser,
    whoever sits before it, and is not compared: one whose cookie was lost could never be had again.
    """

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request here, or pass it on."""
        by_oidc = sign_in.oidc_configured()
        if by_oidc and scope["type"] in ("http", "websocket") and not sign_in.oidc_works():
            answer = refusal(scope, HTTPStatus.SERVICE_UNAVAILABLE, sign_in.OIDC_BROKEN)
            await refuse(answer, scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if by_oidc:
            name = sign_in.name_of_user(sign_in.signed_in_user(connection.cookies) or {})
        else:
            name = sign_in.name_in_cookies(self.key, connection.cookies)
        path = scope["path"]
        if name is None and (path.startswith("/api/") or (by_oidc and path.startswith("/canvas/"))):
            sentence = (
                "You are not signed in. Reload the page and sign in."
                if by_oidc
                else "This browser has no name on this server yet. Reload the page."
            )
            await refuse(refusal(scope, HTTPStatus.UNAUTHORIZED, sentence), scope, receive, send)
            return
        of_page = unquote(connection.headers.get("x-annotator", "")) or name
        if by_oidc and path.startswith("/api/") and of_page != name:
            sentence = f"{name} has signed in in this browser meanwhile. Sign in again as {of_page} to go on."
            await refuse(refusal(scope, HTTPStatus.UNAUTHORIZED, sentence), scope, receive, send)
            return
        scope.setdefault("state", {})["annotator"] = name
        if not by_oidc:
            send = self._naming(connection, send, name or sign_in.new_name())
        await self.app(scope, receive, send)

    def _naming(self, connection: HTTPConnection, send: Send, name: str) -> Send:
        """Add the annotator cookie to a page, also to one that is only confirmed as unchanged.

        It lasts a year from the last page on: a browser that is in use keeps its name.
        """
        page_wanted = "text/html" in connection.headers.get("accept", "")

        async def send_with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if page_wanted or headers.get("content-type", "").startswith("text/html"):
                    cookie = Response()
                    cookie.set_cookie(
                        sign_in.cookie_name("annotator", self.key),
                        sign_in.sign_name(self.key, name),
                        max_age=_YEAR_S,
                        httponly=True,
                        samesite="lax",
                        secure=connection.url.scheme == "https",
                    )
                    headers.append("set-cookie", cookie.headers["set-cookie"])
            await send(message)

        return send_with_name


def _host_name(header: str) -> str:
    """Return the host of a Host header in lower case, without port and brackets."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""
