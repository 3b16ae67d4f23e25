from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from streamlit.runtime.secrets import AttrDict
from streamlit.testing.v1 import AppTest

from app import session, sign_in
from storage.archiving import archive_project
from storage.projects import ClassSpec, create_project
from storage.workspace import Workspace

PROVIDER = {"client_id": "1", "client_secret": "2", "server_metadata_url": "http://lab/openid"}


@pytest.fixture(autouse=True)
def _chosen(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(session.WORKSPACE_VARIABLE, str(workspace.path))
    monkeypatch.delenv(session.PROJECT_VARIABLE, raising=False)
    yield
    session.workspace().close()


def show_current() -> None:
    import streamlit as st

    from app import session

    session.require_user()
    st.session_state["current"] = session.current_project_id()
    st.session_state["annotator"] = session.annotator()


def create(workspace: Workspace, name: str) -> int:
    return create_project(workspace, name, [ClassSpec("sky"), ClassSpec("road")], actor="test").id


def current(test: AppTest) -> Any:
    assert not test.exception
    return test.session_state["current"]


def test_all_pages_share_one_open_workspace(workspace: Workspace) -> None:
    assert session.workspace().path == workspace.path
    assert session.workspace() is session.workspace()


def test_without_a_cookie_the_annotator_is_called_annotator() -> None:
    assert AppTest.from_function(show_current).run().session_state["annotator"] == "annotator"


def test_without_projects_there_is_no_current_one() -> None:
    assert current(AppTest.from_function(show_current).run()) is None


def test_the_newest_project_comes_first_and_stays_in_the_address(workspace: Workspace) -> None:
    create(workspace, "old")
    newest = create(workspace, "new")
    test = AppTest.from_function(show_current).run()
    assert current(test) == newest
    assert test.query_params["project"] in (str(newest), [str(newest)])


def test_the_project_of_the_start_comes_before_the_newest(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = create(workspace, "old")
    create(workspace, "new")
    for named in ("old", str(started)):
        monkeypatch.setenv(session.PROJECT_VARIABLE, named)
        assert current(AppTest.from_function(show_current).run()) == started
    monkeypatch.setenv(session.PROJECT_VARIABLE, "gone")
    assert current(AppTest.from_function(show_current).run()) != started


def test_the_project_of_the_start_may_have_a_number_for_a_name(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered, other = create(workspace, "2"), create(workspace, "other")
    assert (numbered, other) == (1, 2)
    monkeypatch.setenv(session.PROJECT_VARIABLE, "2")
    assert current(AppTest.from_function(show_current).run()) == numbered


@pytest.mark.parametrize("address", ["1", "999", "x", "²"])
def test_the_address_comes_before_both_where_it_names_a_project(workspace: Workspace, address: str) -> None:
    first, newest = create(workspace, "old"), create(workspace, "new")
    test = AppTest.from_function(show_current)
    test.query_params["project"] = address
    assert current(test.run()) == (first if address == str(first) else newest)


def test_an_archived_project_opens_only_where_it_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, archived = create(workspace, "old"), create(workspace, "new")
    archive_project(workspace, archived, "test")
    monkeypatch.setenv(session.PROJECT_VARIABLE, "new")
    assert current(AppTest.from_function(show_current).run()) == live
    archive_project(workspace, live, "test")
    assert current(AppTest.from_function(show_current).run()) is None
    test = AppTest.from_function(show_current)
    test.query_params["project"] = str(archived)
    assert current(test.run()) == archived


def test_a_choice_of_the_session_lasts(workspace: Workspace) -> None:
    first = create(workspace, "old")
    create(workspace, "new")
    test = AppTest.from_function(show_current).run()
    test.session_state["project"] = first
    assert current(test.run()) == first
    assert current(test.run()) == first


@pytest.mark.parametrize(
    ("auth", "labels"),
    [
        (PROVIDER, ["Sign in"]),
        ({"google": PROVIDER, "lab": PROVIDER}, ["Sign in with google", "Sign in with lab"]),
    ],
    ids=["default", "named"],
)
def test_with_oidc_a_stranger_sees_only_sign_in_buttons(
    monkeypatch: pytest.MonkeyPatch, auth: Mapping[str, Any], labels: list[str]
) -> None:
    auth = AttrDict({"redirect_uri": "http://lab/oauth2callback", "cookie_secret": "secret", **auth})
    monkeypatch.setattr(sign_in, "auth_at_start", lambda: auth)
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: auth)
    test = AppTest.from_function(show_current).run()
    assert [button.label for button in test.button] == labels
    assert "current" not in test.session_state


def test_when_the_sign_in_settings_break_nobody_goes_on_under_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sign_in, "auth_at_start", lambda: PROVIDER)
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: AttrDict({}))
    test = AppTest.from_function(show_current).run()
    assert [error.value for error in test.error] == [sign_in.OIDC_BROKEN]
    assert not test.button
    assert "annotator" not in test.session_state
