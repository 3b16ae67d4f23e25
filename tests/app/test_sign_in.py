import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient, WebSocketDenialResponse
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from app import access_token, sign_in
from app.access_token import WRONG_TRIES, AccessToken, WrongTries, token_form
from storage.errors import InvalidInput
from storage.workspace import Workspace
from tests.app.four_images import Site

TOKEN = "correct horse battery staple"
STREAM = "ws://127.0.0.1:8501/_stcore/stream"
PAGE = {"accept": "text/html"}

Open = Callable[..., TestClient]


@pytest.fixture
def locked(open_browser: Open, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(access_token, "_WRONG_TRY_DELAY_S", 0)
    return open_browser(named=False, access_token=TOKEN)


def progress_url(site: Site) -> str:
    return f"/api/projects/{site.project_id}/progress"


def test_the_key_is_kept_and_only_its_owner_may_read_it(workspace: Workspace) -> None:
    key = sign_in.secret_key(workspace.path)
    assert len(key) == 64
    assert sign_in.secret_key(workspace.path) == key
    assert stat.S_IMODE((workspace.path / "secret.key").stat().st_mode) == 0o600


def test_the_first_page_names_the_browser_for_good(open_browser: Open, site: Site) -> None:
    browser = open_browser(named=False)
    assert browser.get(progress_url(site)).status_code == 401
    header = browser.get("/").headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    key = sign_in.secret_key(site.workspace.path)
    name = sign_in.name_in_cookies(key, dict(browser.cookies))
    assert name is not None
    assert name.startswith("annotator-")
    # Each page begins its year anew, and nothing else that is asked for does.
    again = browser.get("/")
    assert "Max-Age=31536000" in again.headers["set-cookie"]
    assert sign_in.name_in_cookies(key, dict(browser.cookies)) == name
    assert "set-cookie" not in browser.get(progress_url(site)).headers
    assert browser.get(progress_url(site)).status_code == 200


def test_a_page_that_did_not_change_still_names_the_browser(open_browser: Open) -> None:
    browser = open_browser(named=False)
    assert "set-cookie" not in browser.get("/_stcore/health").headers
    assert "set-cookie" in browser.get("/_stcore/health", headers=PAGE).headers


def test_a_forged_name_is_no_name(open_browser: Open, site: Site) -> None:
    browser = open_browser(named=False)
    key = sign_in.secret_key(site.workspace.path)
    browser.cookies.set(sign_in.cookie_name("annotator", key), sign_in.sign_name("another key", "boss"))
    assert browser.get(progress_url(site)).status_code == 401


def test_cookies_of_two_workspaces_have_different_names() -> None:
    assert sign_in.cookie_name("annotator", "one key") != sign_in.cookie_name("annotator", "another key")


def test_a_change_needs_our_header(browser: TestClient, site: Site) -> None:
    url = f"/api/images/{site.image_ids[0]}/skip"
    assert browser.post(url, headers={"x-qualm": ""}).status_code == 403
    assert browser.post(url).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_another_site_cannot_act_for_the_annotator(
    browser: TestClient, site: Site, headers: dict[str, str]
) -> None:
    assert browser.post(f"/api/images/{site.image_ids[0]}/skip", headers=headers).status_code == 403
    assert browser.get(progress_url(site), headers=headers).status_code == 403


def test_our_own_origin_is_welcome(browser: TestClient, site: Site) -> None:
    headers = {"origin": "http://127.0.0.1:8501", "sec-fetch-site": "same-origin"}
    assert browser.post(f"/api/images/{site.image_ids[0]}/skip", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "", "[::1"])
def test_a_server_of_this_machine_knows_its_names(browser: TestClient, host: str) -> None:
    assert browser.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8501", "LOCALHOST", "127.0.0.1", "[::1]:8501"])
def test_names_of_this_machine_are_welcome(browser: TestClient, host: str) -> None:
    assert browser.get("/", headers={"host": host}).status_code == 200


def test_a_server_for_others_has_any_name(open_browser: Open) -> None:
    for browser in (open_browser(host="0.0.0.0"), open_browser(access_token=TOKEN)):
        assert browser.get("/", headers={"host": "lab-7.example"}).status_code in (200, 401)


def test_without_the_token_everything_but_the_health_check_is_401(locked: TestClient, site: Site) -> None:
    for path in ("/", "/_stcore/stream", "/canvas/1/index.js", "/sign-in", "/static/index.js", "/nowhere"):
        assert locked.get(path).status_code == 401
    answer = locked.get(progress_url(site))
    assert (answer.status_code, list(answer.json())) == (401, ["error"])
    with pytest.raises(WebSocketDenialResponse) as refused, locked.websocket_connect(STREAM):
        pass
    assert refused.value.status_code == 401
    assert locked.get("/_stcore/health").status_code == 200
    form = locked.get("/queue?project=2", headers=PAGE)
    assert form.status_code == 401
    assert '<form method="post" action="/sign-in">' in form.text
    assert 'value="/queue?project=2"' in form.text


def test_the_token_in_the_address_opens_the_door_and_leaves_the_address(
    locked: TestClient, site: Site
) -> None:
    answer = locked.get(f"/queue?project=2&token={TOKEN.replace(' ', '+')}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?project=2")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    locked.get("/")
    assert locked.get(progress_url(site)).status_code == 200
    with locked.websocket_connect(STREAM) as stream:
        assert stream.receive_text() == "open"


def test_the_form_opens_the_door(locked: TestClient) -> None:
    answer = locked.post("/sign-in", data={"token": f" {TOKEN}\n", "next": "/training"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/training")
    assert locked.get("/").status_code == 200


def test_a_token_read_from_a_file_with_its_last_line_end_is_the_same_token(open_browser: Open) -> None:
    from_file = open_browser(named=False, access_token=f"{TOKEN}\n")
    assert from_file.post("/sign-in", data={"token": TOKEN}).status_code == 303
    plain = open_browser(named=False, access_token=TOKEN)
    plain.cookies = from_file.cookies
    assert plain.get("/").status_code == 200


def test_a_token_of_blanks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        AccessToken(Starlette(), key="key", token=" \n")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/sign-in", ""]
)
def test_the_form_leads_only_to_our_own_pages(locked: TestClient, target: str) -> None:
    answer = locked.post("/sign-in", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "/"


def test_wrong_tokens_are_refused_and_then_limited(locked: TestClient) -> None:
    for _ in range(WRONG_TRIES):
        answer = locked.post("/sign-in", data={"token": "guess"}, headers=PAGE)
        assert answer.status_code == 401
        assert "not the server's access token" in answer.text.replace("&#x27;", "'")
    assert locked.post("/sign-in", data={"token": "guess"}).status_code == 429
    assert locked.get(f"/?token={TOKEN}").status_code == 429


def test_a_form_that_is_too_large_is_refused(locked: TestClient) -> None:
    assert locked.post("/sign-in", content=b"token=" + b"x" * 5000).status_code == 413


def test_another_token_shuts_out_whoever_knew_the_old_one(open_browser: Open, locked: TestClient) -> None:
    locked.get(f"/?token={TOKEN}")
    other = open_browser(named=False, access_token="a new token")
    other.cookies.update(locked.cookies)
    assert other.get("/").status_code == 401


def test_wrong_tries_are_forgotten_after_five_minutes() -> None:
    tries = WrongTries()
    for _ in range(WRONG_TRIES):
        tries.note("10.0.0.1", now=0.0)
    assert tries.too_many("10.0.0.1", now=299.0)
    assert not tries.too_many("10.0.0.2", now=299.0)
    assert not tries.too_many("10.0.0.1", now=301.0)


def test_the_form_escapes_what_it_repeats() -> None:
    assert "<script>" not in token_form('/"><script>', "<script>")


PROVIDER = {"client_id": "1", "client_secret": "2", "server_metadata_url": "http://lab/openid"}
AUTH = {
    "redirect_uri": "http://127.0.0.1:8501/oauth2callback",
    "cookie_secret": "cookie secret",
    **PROVIDER,
}


@pytest.fixture
def oidc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "auth_at_start", lambda: AUTH)
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: AUTH)
    monkeypatch.setattr(sign_in, "get_cookie_secret", lambda: "cookie secret")
    monkeypatch.setattr(sign_in, "get_origin_from_redirect_uri", lambda: "http://127.0.0.1:8501")


def sign_in_as(browser: TestClient, secret: str = "cookie secret", **claims: Any) -> None:
    """Set the cookies that Streamlit sets after a sign-in."""
    set_cookie_with_chunks(
        lambda name, value: browser.cookies.set(name, create_signed_value(secret, name, value).decode()),
        lambda name, value: create_signed_value(secret, name, value),
        sign_in.USER_COOKIE_NAME,
        {"origin": "http://127.0.0.1:8501", "is_logged_in": True, **claims},
        cookie_attr_size=100,
    )


@pytest.mark.usefixtures("oidc")
def test_with_oidc_our_routes_wait_for_a_user(open_browser: Open, site: Site) -> None:
    browser = open_browser(named=False)
    page = browser.get("/")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert browser.get(progress_url(site)).status_code == 401
    assert browser.get("/canvas/1/index.js").status_code == 401
    sign_in_as(browser, email="ada@example.org")
    assert browser.get(progress_url(site)).status_code == 200
    assert browser.get("/canvas/1/index.js").status_code == 404


@pytest.mark.usefixtures("oidc")
def test_an_image_is_reserved_under_the_address_of_the_user(open_browser: Open, site: Site) -> None:
    ada, other = open_browser(named=False), open_browser(named=False)
    sign_in_as(ada, email="ada@example.org", picture="x" * 9000)
    sign_in_as(other, sub="1234")
    ada.get(f"/api/images/{site.image_ids[0]}/item")
    assert other.get(f"/api/images/{site.image_ids[0]}/item").json()["held_by"] == "ada@example.org"


@pytest.mark.usefixtures("oidc")
@pytest.mark.parametrize("claims", [{"email": "ada@example.org"}, {"name": " Ada Łovelace, 50 % "}], ids=str)
def test_a_page_of_somebody_who_is_not_signed_in_any_more_is_401(
    open_browser: Open, site: Site, claims: dict[str, str]
) -> None:
    browser = open_browser(named=False)
    skip = f"/api/images/{site.image_ids[0]}/skip"
    of_ada = {"x-annotator": quote(str(sign_in.name_of_user(claims)), safe="")}
    sign_in_as(browser, **claims)
    assert browser.post(skip, headers=of_ada).status_code == 200
    sign_in_as(browser, email="bob@example.org")
    for answer in (browser.post(skip, headers=of_ada), browser.get(progress_url(site), headers=of_ada)):
        assert (answer.status_code, list(answer.json())) == (401, ["error"])
    assert browser.get(progress_url(site)).status_code == 200, "a script does not say whose it is"
    assert browser.get("/", headers=of_ada).status_code == 200, "where Ada signs in again"


def test_a_browser_that_got_another_name_goes_on_under_it(browser: TestClient, site: Site) -> None:
    assert browser.get(progress_url(site), headers={"x-annotator": "annotator-000000"}).status_code == 200


@pytest.mark.usefixtures("oidc")
@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "another secret", "email": "ada@example.org"},
        {"origin": "http://evil.example", "email": "ada@example.org"},
        {"is_logged_in": False, "email": "ada@example.org"},
        {},
    ],
    ids=["signature", "origin", "signed out", "nameless"],
)
def test_a_user_cookie_that_proves_nothing_is_401(
    open_browser: Open, site: Site, forged: dict[str, Any]
) -> None:
    browser = open_browser(named=False)
    sign_in_as(browser, **forged)
    assert browser.get(progress_url(site)).status_code == 401


@pytest.mark.usefixtures("oidc")
@pytest.mark.parametrize(
    "left", [{}, {**AUTH, "cookie_secret": ""}, UnicodeDecodeError("utf-8", b"", 0, 1, "")], ids=str
)
def test_a_server_whose_sign_in_settings_break_opens_to_nobody(
    open_browser: Open, site: Site, monkeypatch: pytest.MonkeyPatch, left: dict[str, str] | Exception
) -> None:
    def section() -> dict[str, str]:
        if isinstance(left, Exception):
            raise left
        return left

    browser = open_browser(named=False)
    sign_in_as(browser, email="ada@example.org")
    assert browser.get(progress_url(site)).status_code == 200
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", section)
    for path in ("/", "/canvas/1/index.js", progress_url(site)):
        answer = browser.get(path, headers=PAGE)
        assert (answer.status_code, "set-cookie" in answer.headers) == (503, False), path
        assert "secrets.toml" in answer.text
    with pytest.raises(WebSocketDenialResponse) as refused, browser.websocket_connect(STREAM):
        pass
    assert refused.value.status_code == 503


NO_PROVIDER = {name: value for name, value in AUTH.items() if name not in PROVIDER}


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        (AUTH, []),
        ({**NO_PROVIDER, "google": PROVIDER, "lab": PROVIDER}, []),
        (NO_PROVIDER, ["a provider (client_id, client_secret, server_metadata_url)"]),
        (
            {**NO_PROVIDER, "client_kwargs": {"scope": "openid"}},
            ["a provider (client_id, client_secret, server_metadata_url)"],
        ),
        ({**NO_PROVIDER, "client_secret": "2"}, ["client_id", "server_metadata_url"]),
        ({**AUTH, "client_secret": " "}, ["client_secret"]),
        (
            {**NO_PROVIDER, "google": PROVIDER, "lab": {"client_id": "1"}},
            ["client_secret of [auth.lab]", "server_metadata_url of [auth.lab]"],
        ),
        (
            {**NO_PROVIDER, "our_lab": PROVIDER},
            ["a name without _ in place of [auth.our_lab]"],
        ),
    ],
    ids=[
        "default",
        "named",
        "none",
        "only arguments",
        "a third",
        "half",
        "half of a named one",
        "underscore",
    ],
)
def test_what_is_missing_to_sign_in_is_named(auth: dict[str, Any], missing: list[str]) -> None:
    assert sign_in.missing_for_oidc(auth) == missing


def test_whether_there_is_a_sign_in_is_decided_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    monkeypatch.setattr(sign_in.streamlit_config, "get_option", lambda name: [str(path)])
    path.write_text("[auth]\ncookie_secret = 'secret'")
    assert sign_in.oidc_configured()
    path.write_text("[auth")
    assert sign_in.oidc_configured()


@pytest.mark.usefixtures("oidc")
def test_behind_a_proxy_of_this_machine_the_name_of_the_sign_in_is_welcome(
    open_browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = {**AUTH, "redirect_uri": "https://Qualm.lab.org/oauth2callback"}
    monkeypatch.setattr(sign_in, "auth_at_start", lambda: auth)
    browser = open_browser()
    statuses = [
        browser.get("/", headers={"host": host}).status_code
        for host in ("qualm.lab.org", "127.0.0.1:8501", "lab.org", "")
    ]
    assert statuses == [200, 200, 421, 421]
