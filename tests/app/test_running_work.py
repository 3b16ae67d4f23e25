"""Long work in threads of the server: how it ends, and what is told of it on the way."""

import threading

import pytest

from app.project import running_work
from app.project.running_work import RunningWork
from storage.errors import DiskFull
from storage.in_parallel import OnProgress


@pytest.fixture(autouse=True)
def _to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_work, "SHORT_S", 60)


def test_it_has_a_result_once_it_is_over() -> None:
    may_end = threading.Event()
    work = RunningWork[str]("Reading")
    work.begin(lambda progress: f"{may_end.wait(60)}")
    assert not work.is_over
    assert work.progress == "Reading"
    may_end.set()
    work.wait_a_moment()
    assert work.is_over
    assert not work.was_stopped
    assert work.outcome() == "True"


def test_why_it_failed_is_raised_where_its_outcome_is_asked_for() -> None:
    def on_a_full_disk(progress: OnProgress) -> None:
        raise DiskFull("/data")

    work = RunningWork[None]("Exporting")
    work.begin(on_a_full_disk)
    work.wait_a_moment()
    assert not work.was_stopped
    with pytest.raises(DiskFull):
        work.outcome()


@pytest.mark.parametrize(("asked_at", "reached"), [(2, 2), (5, 5)])
def test_it_stops_after_what_is_being_done_unless_that_is_the_last(asked_at: int, reached: int) -> None:
    work = RunningWork[str]("Importing", of=5)

    def five(progress: OnProgress) -> str:
        for done in range(1, 6):
            if done == asked_at:
                work.stop()
            progress(done, 5, "an image")
        return "all"

    work.begin(five)
    work.wait_a_moment()
    assert work.done == reached
    assert work.was_stopped == (reached < 5)
    assert work.result == (None if reached < 5 else "all")


def test_it_says_how_far_it_is_and_how_long_the_rest_takes() -> None:
    work = RunningWork[None]("Exporting")
    may_go_on, has_moved = threading.Event(), threading.Event()

    def half(progress: OnProgress) -> None:
        progress(2, 4, "an image")
        has_moved.set()
        may_go_on.wait(60)

    work.begin(half)
    assert has_moved.wait(60)
    assert work.progress.startswith("Exporting: 2 of 4, about ")
    may_go_on.set()
    work.wait_a_moment()


def test_a_defect_is_logged_once_and_holds_nothing_of_what_it_worked_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def dividing(progress: OnProgress) -> float:
        return 1 / 0

    work = RunningWork[float]("Exporting")
    work.begin(dividing)
    work.wait_a_moment()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as raised:
            work.outcome()
        assert len(raised.traceback) <= 2
    assert [record.message for record in caplog.records] == ["Exporting failed"]
