"""The access token of a server that others can reach: shown once by each browser, then kept as a cookie."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import html
import time
from collections import OrderedDict
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode, urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.refusals import refusal, refuse
from app.sign_in import cookie_name
from storage.errors import InvalidInput

SIGN_IN_PATH = "/sign-in"
HEALTH_PATH = "/_stcore/health"
"""Says only that the server runs, so it needs no token."""
WRONG_TRIES = 10
"""Wrong tokens an address may send in five minutes."""

_LIFETIME_S = 30 * 24 * 3600
_WRONG_TRY_DELAY_S = 0.5
_WRONG_TRY_WINDOW_S = 300.0
_REMEMBERED_ADDRESSES = 10_000
_FORM_BYTES = 4096


class AccessToken:
    """ASGI gate that lets nothing through but the health check until the browser has shown the token.

    The token comes as ``?token=`` in the address or from the form. Its cookie is signed with a salt
    made from the token, so a new token shuts out everybody who knew the old one. Blanks around the token
    do not count, here or there.
    """

    def __init__(self, app: ASGIApp, *, key: str, token: str) -> None:
        """Guard ``app``; ``key`` signs the cookie.

        Raises:
            InvalidInput: the token is empty.
        """
        self.app = app
        # Read from a file or a secret store it often ends in a line break, which nobody can enter.
        self.token = token.strip().encode()
        if not self.token:
            raise InvalidInput("The access token is empty, so anybody could show it. Choose one.")
        self.cookie = cookie_name("access", key)
        self.serializer = URLSafeTimedSerializer(key, salt=f"access:{hashlib.sha256(self.token).hexdigest()}")
        self.wrong_tries = WrongTries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request here, or pass it on."""
        if scope["type"] not in ("http", "websocket") or scope["path"] == HEALTH_PATH:
            await self.app(scope, receive, send)
            return
        response: Response | None = None
        if scope["type"] == "http" and scope["path"] == SIGN_IN_PATH and scope["method"] == "POST":
            response = await self._answer_form(Request(scope, receive))
        elif scope["type"] == "http" and scope["method"] == "GET" and _token_in_address(scope) is not None:
            response = await self._answer_address(Request(scope))
        elif not self._has_access(HTTPConnection(scope)):
            sentence = "This server needs its access token. Open its first page and enter the token there."
            query = scope["query_string"].decode("latin-1")
            page = token_form(f"{scope['path']}?{query}" if query else scope["path"])
            response = refusal(scope, HTTPStatus.UNAUTHORIZED, sentence, page)
        if response is None:
            await self.app(scope, receive, send)
        else:
            await refuse(response, scope, receive, send)

    def _has_access(self, connection: HTTPConnection) -> bool:
        try:
            self.serializer.loads(connection.cookies.get(self.cookie, ""), max_age=_LIFETIME_S)
        except BadSignature:
            return False
        return True

    async def _answer_form(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                return PlainTextResponse("The form is too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        fields = parse_qs(body.decode("utf-8", "replace"))
        return await self._answer(request, fields.get("token", [""])[0], fields.get("next", ["/"])[0])

    async def _answer_address(self, request: Request) -> Response:
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        target = request.url.path + (f"?{urlencode(others)}" if others else "")
        return await self._answer(request, request.query_params["token"], target)

    async def _answer(self, request: Request, given: str, target: str) -> Response:
        address = request.client.host if request.client else ""
        if self.wrong_tries.too_many(address, time.monotonic()):
            sentence = "Too many wrong tokens came from your address. Wait five minutes, then try again."
            page = token_form(target, sentence)
            return refusal(request.scope, HTTPStatus.TOO_MANY_REQUESTS, sentence, page)
        if not hmac.compare_digest(given.strip().encode(), self.token):
            self.wrong_tries.note(address, time.monotonic())
            await asyncio.sleep(_WRONG_TRY_DELAY_S)
            sentence = "This is not the server's access token. Copy it again from whoever started the server."
            page = token_form(target, sentence)
            return refusal(request.scope, HTTPStatus.UNAUTHORIZED, sentence, page)
        response = RedirectResponse(_own_path(target), HTTPStatus.SEE_OTHER)
        response.set_cookie(
            self.cookie,
            str(self.serializer.dumps("granted")),
            max_age=_LIFETIME_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        response.headers["referrer-policy"] = "no-referrer"
        response.headers["cache-control"] = "no-store"
        return response


class WrongTries:
    """When which address sent a wrong token."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        """Remember a wrong try; past 10,000 addresses, the one unseen for longest is forgotten."""
        self._times[address] = [*self._recent(address, now), now]
        self._times.move_to_end(address)
        while len(self._times) > _REMEMBERED_ADDRESSES:
            self._times.popitem(last=False)

    def too_many(self, address: str, now: float) -> bool:
        """Whether the address has used up its tries of the last five minutes."""
        return len(self._recent(address, now)) >= WRONG_TRIES

    def _recent(self, address: str, now: float) -> list[float]:
        return [at for at in self._times.get(address, []) if now - at < _WRONG_TRY_WINDOW_S]


def token_form(target: str, error: str = "") -> str:
    """Return the HTML page that asks for the access token and goes on to ``target``."""
    return _FORM.format(
        action=SIGN_IN_PATH,
        target=html.escape(_own_path(target), quote=True),
        error=f'<p role="alert">{html.escape(error)}</p>' if error else "",
    )


def _token_in_address(scope: Scope) -> str | None:
    return HTTPConnection(scope).query_params.get("token")


def _own_path(target: str) -> str:
    """Return ``target`` when it is a page of this server, else the first page."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if own and urlsplit(target).path != SIGN_IN_PATH else "/"


_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Qualm: access token</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 18vh auto; padding: 0 1rem; }}
input, button {{ font: inherit; padding: .5rem .75rem; width: 100%; box-sizing: border-box; }}
button {{ margin-top: .75rem; }}
[role=alert] {{ color: #a4262c; }}
</style></head><body>
<h1>Qualm</h1>
<p>This server needs an access token. Whoever started it chose the token with <code>--access-token</code>.</p>
{error}
<form method="post" action="{action}">
<input type="hidden" name="next" value="{target}">
<label>Access token
<input type="password" name="token" autofocus required autocomplete="current-password"></label>
<button>Open Qualm</button>
</form></body></html>
"""
