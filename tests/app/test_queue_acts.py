"""What becomes of an act when the next click ends what is being done for it."""

from collections import UserDict
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import queue_acts, queue_grid
from app.queue_acts import Act, ActLog, carry_out_all
from storage import images
from storage.errors import NotFound, WorkspaceBusy
from tests.app.four_images import Site


class Ended(BaseException):
    """Streamlit ends a run by something that no handler of errors catches."""


class SessionState(UserDict[str, Any]):
    """The state of a browser session, which ends the run at one of the times that it is asked."""

    ends_at: int | None = None

    def __getitem__(self, key: str) -> Any:
        if self.ends_at == 0:
            raise Ended
        self.ends_at = None if self.ends_at is None else self.ends_at - 1
        return super().__getitem__(key)


@pytest.fixture
def acted(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[SessionState, ActLog], None]:
    """Return a function that does what Streamlit does when the grid has sent what is in its state."""
    asked: dict[str, Callable[[], None]] = {}

    def mounted(_: object) -> Callable[..., dict[str, Any]]:
        return lambda **options: asked.update(options) or {}

    monkeypatch.setattr(queue_grid, "mounted", mounted)

    def act(state: SessionState, log: ActLog) -> None:
        def carry_out(acts: Sequence[Act]) -> None:
            carry_out_all(site.workspace, log, acts, "ann")

        monkeypatch.setattr(queue_grid.st, "session_state", state)
        queue_grid.queue_grid([], log, carry_out)
        asked["on_acted_change"]()

    return act


@pytest.mark.parametrize("ends_at", range(3))
def test_an_act_that_was_ended_is_done_once_when_it_is_sent_again(
    site: Site, acted: Callable[[SessionState, ActLog], None], ends_at: int
) -> None:
    first, second = site.image_ids[:2]
    sent = [
        {"number": 1, "kind": "exclude", "ids": [first]},
        {"number": 2, "kind": "exclude", "ids": [second]},
    ]
    state, log = SessionState({"queue-grid": {"acted": sent}}), ActLog()
    state.ends_at = ends_at
    for _ in range(2):
        try:
            acted(state, log)
        except Ended:
            state.ends_at = None
    assert images.split_counts(site.workspace, site.project_id)["excluded"] == 2
    assert log.unsaid == ["1 image excluded", "1 image excluded"]
    assert (log.excluded, log.done) == ([second], 2)


def test_an_act_whose_page_was_left_is_no_error(
    site: Site, acted: Callable[[SessionState, ActLog], None]
) -> None:
    log = ActLog()
    acted(SessionState(), log)
    assert log == ActLog(turn=log.turn)


def test_an_act_that_cannot_be_done_holds_up_no_other(site: Site) -> None:
    log = ActLog()
    acts = [Act("exclude", [10**6], 1), Act("exclude", [site.image_ids[0]], 2)]
    carry_out_all(site.workspace, log, acts, "ann")
    refused, done = log.unsaid
    assert isinstance(refused, NotFound)
    assert done == "1 image excluded"
    assert log.done == 2


def test_a_busy_database_is_waited_for_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Act] = []

    def busy(_: object, act: Act, __: str) -> str:
        tried.append(act)
        raise WorkspaceBusy("the database", 30)

    monkeypatch.setattr(queue_acts, "carry_out", busy)
    log = ActLog()
    acts = [Act("exclude", [image_id], number) for number, image_id in enumerate(site.image_ids[:3], start=1)]
    carry_out_all(site.workspace, log, acts, "ann")
    assert tried == acts[:1]
    busy_once, others = log.unsaid
    assert isinstance(busy_once, WorkspaceBusy)
    assert str(others) == "Nor was what came after it tried (2 acts): do it again."
    assert log.done == 3, "they are not sent again: the sentence says to try again"
