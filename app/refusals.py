"""Answers to requests that are not let through, in the shape their sender can read."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send


def refusal(scope: Scope, status: HTTPStatus, sentence: str, page: str | None = None) -> Response:
    """Return JSON for routes of ours, the HTML ``page`` for a browser that asked for one, else plain text."""
    headers = {"cache-control": "no-store"}
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": sentence}, status, headers)
    if page is not None and "text/html" in HTTPConnection(scope).headers.get("accept", ""):
        return HTMLResponse(page, status, headers)
    return PlainTextResponse(sentence, status, headers)


async def refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response; close a websocket unopened where the server cannot answer its handshake in HTTP."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await response(scope, receive, send)
