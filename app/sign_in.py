"""Under which name a browser labels: a signed cookie of ours, or the user of Streamlit's OIDC sign-in."""

from __future__ import annotations

import hashlib
import json
import secrets
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from streamlit import config as streamlit_config
from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri, get_secrets_auth_section
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from storage.errors import InvalidInput, WorkspaceError
from storage.files import write_atomically
from storage.workspace import SECRET_KEY_FILE

_NAME_LENGTH = 100
"""Longest name the tables hold."""

_OF_A_PROVIDER = ("client_id", "client_secret", "server_metadata_url")

OIDC_BROKEN = (
    "Nobody can sign in: the section [auth] of the server's .streamlit/secrets.toml is gone or unreadable. "
    "Mend it, then reload the page."
)


def secret_key(workspace_path: Path) -> str:
    """Return the key that signs the cookies of a workspace, made on first use with mode 600.

    Raises:
        WorkspaceError: when the file can be neither read nor written.
        DiskFull: when there is no space for it.
    """
    path = workspace_path / SECRET_KEY_FILE
    try:
        if key := path.read_text("ascii").strip():
            return key
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read ({error.strerror}). Allow reading it.") from error
    write_atomically(path, secrets.token_hex(32).encode("ascii"))
    path.chmod(0o600)
    return path.read_text("ascii").strip()


def cookie_name(kind: str, key: str) -> str:
    """Return the name of a cookie of one workspace, such as ``qualm_annotator_1f0c9a2b``.

    Browsers keep one cookie jar for all ports of a host; without the key's mark, two servers on one
    machine would rename each other's annotators.
    """
    return f"qualm_{kind}_{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def new_name() -> str:
    """Return a random readable name such as ``annotator-3f9a1c``."""
    return f"annotator-{secrets.token_hex(3)}"


def sign_name(key: str, name: str) -> str:
    """Return the value of the annotator cookie."""
    return str(URLSafeSerializer(key, salt="annotator").dumps(name))


def name_in_cookies(key: str, cookies: Mapping[str, str]) -> str | None:
    """Return the name in the annotator cookie, or None when there is none or we did not sign it."""
    try:
        name = URLSafeSerializer(key, salt="annotator").loads(cookies.get(cookie_name("annotator", key), ""))
    except BadSignature:
        return None
    return name if isinstance(name, str) and 0 < len(name) <= _NAME_LENGTH else None


@cache
def auth_at_start() -> Mapping[str, Any] | None:
    """Return the ``[auth]`` section of Streamlit's secrets as it was when first asked; None without one.

    It is read once and not by Streamlit, which takes a file that it cannot parse for one without the
    section, at any moment: a typo would open a server that is meant for those who sign in.

    Raises:
        InvalidInput: a file of secrets cannot be read or parsed, or its ``auth`` is no section.
    """
    found: dict[str, Any] = {}
    for path in streamlit_config.get_option("secrets.files"):
        try:
            found |= tomllib.loads(Path(path).read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise InvalidInput(f"{path} cannot be read: {why}. Mend it, then start again.") from error
    auth = found.get("auth")
    if auth is not None and not isinstance(auth, Mapping):
        raise InvalidInput("In .streamlit/secrets.toml, auth must be a section [auth]. Mend it or remove it.")
    return auth


def oidc_configured() -> bool:
    """Whether this server was started with an ``[auth]`` section to sign in with."""
    return auth_at_start() is not None


def oidc_host() -> str | None:
    """Return the name of the host that people come back to from signing in, None without OIDC."""
    return urlsplit(str((auth_at_start() or {}).get("redirect_uri", ""))).hostname


def oidc_works() -> bool:
    """Whether Streamlit still reads a whole ``[auth]`` section, so that its cookies prove who somebody is."""
    try:
        return not missing_for_oidc(get_secrets_auth_section())
    except (OSError, ValueError):  # What Streamlit lets through of a file that it may not read or decode.
        return False


def missing_for_oidc(auth: object) -> list[str]:
    """Return the names of what an ``[auth]`` section lacks before anybody can sign in."""
    if not isinstance(auth, Mapping):
        return ["redirect_uri", "cookie_secret"]
    lacks = [name for name in ("redirect_uri", "cookie_secret") if not _is_text(auth.get(name))]
    providers = _providers(auth)
    if not providers:
        lacks.append("a provider (client_id, client_secret, server_metadata_url)")
    for provider, section in providers.items():
        of = f" of [auth.{provider}]" if provider else ""
        lacks += [f"{name}{of}" for name in _OF_A_PROVIDER if not _is_text(section.get(name))]
        if provider and "_" in provider:  # Streamlit refuses it, but not before somebody signs in.
            lacks.append(f"a name without _ in place of [auth.{provider}]")
    return lacks


def _providers(auth: Mapping[str, Any]) -> dict[str | None, Mapping[str, Any]]:
    named: dict[str | None, Mapping[str, Any]] = {
        name: section
        for name, section in auth.items()
        if isinstance(section, Mapping) and name != "client_kwargs"
    }
    by_default = auth.get("client_id") or (not named and any(name in auth for name in _OF_A_PROVIDER))
    return {None: auth} if by_default else named


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def oidc_providers() -> list[str | None]:
    """Return what ``st.login`` can be called with: None for the default provider, else their names."""
    return list(_providers(get_secrets_auth_section()))


def name_of_user(claims: Mapping[str, Any]) -> str | None:
    """Return the name an OIDC user labels under: e-mail address, else name, else subject."""
    for claim in ("email", "name", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_NAME_LENGTH]
    return None


def signed_in_user(cookies: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the claims in Streamlit's signed user cookie, or None when nobody is signed in."""
    secret = get_cookie_secret()

    def signed_chunk(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(secret, name, value.encode("latin-1", "replace")) if value else None

    try:
        payload = get_cookie_with_chunks(signed_chunk, USER_COOKIE_NAME)
        claims = json.loads(payload) if payload else None
    except ValueError:
        return None
    if not isinstance(claims, dict) or claims.get("is_logged_in") is not True:
        return None
    return claims if claims.get("origin") == get_origin_from_redirect_uri() else None
