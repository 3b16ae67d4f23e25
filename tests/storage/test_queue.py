"""The queue gives each person the most useful image nobody else has."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.dialects import postgresql

from storage import (
    events,
    id_batches,
    images,
    labels,
    projects,
    queue,
    queue_page,
    queue_questions,
    round_requests,
    rounds,
)
from storage.errors import InvalidInput, LeaseLost, NotFound
from storage.next_images import AHEAD_LEASE_S
from storage.projects import ClassChange, ProjectInfo
from storage.queue import QueueItem
from storage.schema import Event, Image, Project
from storage.settings import AnnotationSettings, ProjectSettings
from storage.workspace import Workspace, open_workspace
from tests.storage.project_factory import (
    add_image,
    make_project,
    publish_ranking,
    some_embeddings,
    submit,
)


def no_audit(**annotation: float) -> ProjectSettings:
    return ProjectSettings(annotation=AnnotationSettings(audit_every=0, **annotation))


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=12, settings=no_audit())


def ids(items: list[QueueItem]) -> list[int]:
    return [item.image.id for item in items]


def all_ids(workspace: Workspace, project: ProjectInfo) -> list[int]:
    return [info.id for info in images.list_images(workspace, project.id)]


def test_unscored_images_come_in_a_seeded_order(workspace: Workspace, project: ProjectInfo) -> None:
    once = queue.next_images(workspace, project.id, "ada", 12)
    again = queue.next_images(workspace, project.id, "ada", 12)
    assert sorted(ids(once)) == all_ids(workspace, project)
    assert ids(once) == ids(again)
    projects.update_settings(workspace, project.id, no_audit(seed=3), "ada")
    assert ids(queue.next_images(workspace, project.id, "ada", 12)) != ids(once)
    assert {item.why for item in once} == {"Not scored yet: in random order until the first round is done"}


def test_the_current_round_sets_the_order(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    ranking = everything[:0:-1][:8]
    published = publish_ranking(workspace, project.id, ranking)
    items = queue.next_images(workspace, project.id, "ada", 11)
    assert ids(items)[:8] == ranking
    assert sorted(ids(items)) == sorted(everything[1:])
    assert items[2].why == "Rank 3 of 8: unsure about ground against tree in the lower left"
    assert (items[2].rank, items[2].ranked, items[2].score) == (3, 8, 1 / 3)
    assert (items[2].suggestion_round_id, items[2].ranking_round_number) == (published.id, 1)
    assert items[2].map_blob is not None
    assert items[8].suggestion_round_id is None
    assert items[8].why.startswith("Not scored by the last round")


def test_the_reason_calls_classes_by_the_names_they_have_now(
    workspace: Workspace, project: ProjectInfo
) -> None:
    first, *rest = all_ids(workspace, project)
    submit(workspace, first)
    publish_ranking(workspace, project.id, rest)
    for names, told in (
        (("bush", "roof"), "unsure about bush against roof in the lower left"),
        (("roof", "bush"), "unsure about roof against bush in the lower left"),
    ):
        changes = {index: ClassChange(name=name) for index, name in enumerate(names, start=1)}
        projects.update_classes(workspace, project.id, changes, "ada")
        assert queue.next_images(workspace, project.id, "ada", 1)[0].why == f"Rank 1 of 11: {told}"


@pytest.mark.parametrize("status", ["draft", "submitted"])
def test_a_labelled_image_that_is_excluded_says_that_it_does_not_train(
    workspace: Workspace, project: ProjectInfo, status: str
) -> None:
    first = all_ids(workspace, project)[0]
    submit(workspace, first, status=status)
    images.set_split(workspace, [first], "excluded", "bob")
    opened, _ = queue.open_image(workspace, first, "ada")
    assert opened.why == "Excluded: its label map is kept and not trained on"


def test_own_drafts_come_first_and_skipped_images_last(workspace: Workspace, project: ProjectInfo) -> None:
    begun, skipped = all_ids(workspace, project)[5], queue.next_images(workspace, project.id, "ada", 1)[0]
    submit(workspace, begun, status="draft")
    queue.skip(workspace, skipped.image.id, "ada")
    items = queue.next_images(workspace, project.id, "ada", 12)
    assert ids(items)[0] == begun
    assert items[0].why == "You began this one: your draft is restored"
    assert (items[0].status, items[0].author, items[0].revision) == ("draft", "ada", 1)
    assert ids(items)[-1] == skipped.image.id
    assert items[-1].why.startswith("Skipped earlier")
    queue.skip(workspace, begun, "ada")
    assert ids(queue.next_images(workspace, project.id, "ada", 12))[-2:] == [skipped.image.id, begun]


def test_a_labelled_image_that_is_skipped_stays_labelled(workspace: Workspace, project: ProjectInfo) -> None:
    image_id = all_ids(workspace, project)[0]
    submit(workspace, image_id)
    queue.skip(workspace, image_id, "ada")
    assert images.image(workspace, image_id).skipped_at is None
    assert queue.ranked_images(workspace, project.id, state="skipped") == ([], 0)


def test_what_was_undone_to_nothing_is_no_draft_to_be_told_of(
    workspace: Workspace, project: ProjectInfo
) -> None:
    image_id = all_ids(workspace, project)[0]
    empty = np.full((24, 32), 254, np.uint8)
    labels.save(workspace, image_id, empty, expected_revision=0, author="ada")
    (item,), _ = queue.ranked_images(workspace, project.id, image_ids=[image_id], annotator="ada")
    assert "began this one" not in item.why
    assert "draft" not in item.why


@pytest.mark.parametrize("split", ["train", "audit"])
def test_a_correction_that_is_skipped_comes_last_and_to_its_author(
    workspace: Workspace, project: ProjectInfo, split: str
) -> None:
    corrected, other, *_ = all_ids(workspace, project)
    images.set_split(workspace, [corrected], "audit" if split == "audit" else "pool", "ada")
    submit(workspace, corrected)
    submit(workspace, corrected, status="draft")
    queue.skip(workspace, other, "ada")
    queue.skip(workspace, corrected, "ada")
    assert corrected not in ids(queue.next_images(workspace, project.id, "bob", 12))
    queue.release_all(workspace, "bob")
    items = queue.next_images(workspace, project.id, "ada", 12)
    assert ids(items)[-2:] == [other, corrected]
    assert items[-1].why == "You began this one: your draft is restored"
    images.set_split(workspace, [corrected], "excluded", "ada")
    assert corrected not in ids(queue.next_images(workspace, project.id, "ada", 12))


def test_leases_follow_what_is_handed_out(workspace: Workspace, project: ProjectInfo) -> None:
    first = ids(queue.next_images(workspace, project.id, "ada", 3))
    submit(workspace, first[0])
    second = ids(queue.next_images(workspace, project.id, "ada", 2, holding=first[1]))
    assert first[1] not in second
    held = [info.id for info in images.list_images(workspace, project.id) if info.leased_by == "ada"]
    assert sorted(held) == sorted([first[1], *second])
    queue.release_all(workspace, "ada")
    assert all(info.leased_by is None for info in images.list_images(workspace, project.id))


def test_leases_end(workspace: Workspace, project: ProjectInfo) -> None:
    now = time.time()
    mine = ids(queue.next_images(workspace, project.id, "ada", 12, now=now, awaited=True))
    ahead_until = now + AHEAD_LEASE_S
    assert queue.next_images(workspace, project.id, "bob", 3, now=ahead_until - 1) == []
    theirs = ids(queue.next_images(workspace, project.id, "bob", 3, now=ahead_until + 1))
    assert theirs == mine[1:4], "what only waited behind the image on the screen is free soon"
    queue.release_all(workspace, "bob")
    assert mine[0] not in ids(queue.next_images(workspace, project.id, "bob", 12, now=now + 14 * 60))
    queue.release_all(workspace, "bob")
    assert mine[0] in ids(queue.next_images(workspace, project.id, "bob", 12, now=now + 15 * 60 + 1))


def test_only_what_is_on_the_screen_is_reserved_for_long(workspace: Workspace, project: ProjectInfo) -> None:
    now = time.time()

    def seconds_left() -> list[float]:
        until = {info.id: info.leased_until or now for info in images.list_images(workspace, project.id)}
        return [until[image_id] - now for image_id in mine]

    mine = ids(queue.next_images(workspace, project.id, "ada", 3, now=now, awaited=True))
    assert seconds_left() == pytest.approx([900, 120, 120], abs=1)
    queue.next_images(workspace, project.id, "ada", 2, now=now + 60, holding=mine[0])
    assert seconds_left() == pytest.approx([960, 180, 180], abs=1)
    queue.next_images(workspace, project.id, "ada", 2, now=now + 70, holding=mine[1])
    assert seconds_left() == pytest.approx([960, 970, 190], abs=1), "nor is it for less once it left it"


def test_what_is_on_the_screen_of_another_tab_stays_reserved(
    workspace: Workspace, project: ProjectInfo
) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    publish_ranking(workspace, project.id, everything[1:])
    now = time.time()
    here, *_ = ids(queue.next_images(workspace, project.id, "ada", 3, now=now, awaited=True))
    opened_there = everything[8]
    queue.open_image(workspace, opened_there, "ada")

    def held() -> set[int]:
        return {info.id for info in images.list_images(workspace, project.id) if info.leased_by == "ada"}

    waiting = queue.next_images(workspace, project.id, "ada", 2, holding=here)
    assert held() == {here, opened_there, *ids(waiting)}
    assert opened_there not in ids(queue.next_images(workspace, project.id, "bob", 12))
    queue.release_all(workspace, "bob")
    # The other tab hands its image in, and this one goes on to another that was picked by hand.
    submit(workspace, opened_there)
    queue.open_image(workspace, everything[9], "ada")
    queue.next_images(workspace, project.id, "ada", 2, holding=everything[9], displaced=[here])
    assert here in held(), "it comes next"
    queue.open_image(workspace, here, "ada")
    waiting = queue.next_images(
        workspace, project.id, "ada", 2, holding=here, displaced=[opened_there, everything[9]]
    )
    assert held() == {here, *ids(waiting)}
    queue.skip(workspace, here, "ada")
    after_the_skip = queue.next_images(workspace, project.id, "ada", 2)
    assert held() == set(ids(after_the_skip))


def test_a_draft_that_waits_stays_reserved_as_long_as_the_image_on_the_screen(
    workspace: Workspace, project: ProjectInfo
) -> None:
    now = time.time()
    (begun, *_) = ids(queue.next_images(workspace, project.id, "ada", 1, now=now, awaited=True))
    info = images.image(workspace, begun)
    label_map = np.zeros((info.height, info.width), np.uint8)
    labels.save(workspace, begun, label_map, expected_revision=0, author="ada")
    (other, *_) = ids(queue.next_images(workspace, project.id, "ada", 1, now=now, holding=begun))
    # She opened another image by hand, and works there for a while.
    for minutes in range(1, 30):
        queue.next_images(workspace, project.id, "ada", 3, now=now + 60 * minutes, holding=other)
    bobs = queue.next_images(workspace, project.id, "bob", 12, now=now + 60 * 29 + 14 * 60)
    assert begun not in ids(bobs)


def test_a_lease_is_renewed_by_its_holder_only(workspace: Workspace, project: ProjectInfo) -> None:
    mine = queue.next_images(workspace, project.id, "ada", 1)[0].image
    assert mine.leased_until is not None
    assert queue.renew_lease(workspace, mine.id, "ada") >= mine.leased_until
    for steal in (queue.renew_lease, queue.skip):
        with pytest.raises(LeaseLost) as lost:
            steal(workspace, mine.id, "bob")
        assert lost.value.held_by == "ada"


def test_an_image_opened_by_hand_is_reserved_when_free(workspace: Workspace, project: ProjectInfo) -> None:
    picked = all_ids(workspace, project)[7]
    item, held_by = queue.open_image(workspace, picked, "ada")
    assert (item.image.leased_by, held_by) == ("ada", None)
    item, held_by = queue.open_image(workspace, picked, "bob")
    assert (item.image.leased_by, held_by) == ("ada", "ada")
    with pytest.raises(NotFound):
        queue.open_image(workspace, 10_000, "ada")


def test_a_draft_somebody_abandoned_is_handed_on(workspace: Workspace, project: ProjectInfo) -> None:
    begun = queue.next_images(workspace, project.id, "ada", 1)[0].image.id
    submit(workspace, begun, author="ada", status="draft")
    later = time.time() + 16 * 60
    items = queue.next_images(workspace, project.id, "bob", 12, now=later)
    (handed_on,) = [item for item in items if item.image.id == begun]
    assert handed_on.why == "ada began this one: the draft is shown"


@pytest.mark.parametrize("scored", [False, True])
def test_what_somebody_else_began_comes_when_nothing_else_is_left(
    workspace: Workspace, project: ProjectInfo, scored: bool
) -> None:
    labelled, begun, begun_and_skipped, skipped, pinned, *rest = all_ids(workspace, project)
    submit(workspace, labelled)
    if scored:
        publish_ranking(workspace, project.id, all_ids(workspace, project))
    for image_id in (begun, begun_and_skipped):
        submit(workspace, image_id, status="draft")
    for image_id in (begun_and_skipped, skipped):
        queue.skip(workspace, image_id, "ada")
    queue.pin(workspace, [pinned], "ada")
    queue.release_all(workspace, "ada")
    bobs = ids(queue.next_images(workspace, project.id, "bob", 12))
    assert bobs[0] == pinned
    assert sorted(bobs[1:-3]) == rest
    assert bobs[-3:] == [skipped, begun, begun_and_skipped]
    queue.release_all(workspace, "bob")
    adas = ids(queue.next_images(workspace, project.id, "ada", 12))
    assert adas[:2] == [begun, pinned]
    assert adas[-2:] == [begun_and_skipped, skipped]


def test_what_others_began_is_read_from_an_index(workspace: Workspace, project: ProjectInfo) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(
        workspace.database.engine,
        "before_cursor_execute",
        lambda *given: asked.append((str(given[2]), given[3])),
    )
    queue.next_images(workspace, project.id, "ada", 20)
    ((question, values),) = [one for one in asked if "draft_by >" in one[0]]
    with workspace.database.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", values).all()
    assert "INDEX ix_image_draft (project_id=? AND draft_by>?)" in " ".join(str(step.detail) for step in plan)


actions = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob", "eve"]),
        st.sampled_from(["next", "hold", "submit", "draft", "skip", "open", "release"]),
        st.integers(1, 6),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(Path(tmp_path_factory.mktemp("queue")))


_names = itertools.count()


@settings(max_examples=25, deadline=None)
@given(actions, st.integers(0, 4))
def test_no_image_is_ever_handed_to_two_people(
    shared_workspace: Workspace, steps: list[tuple[str, str, int]], audit_every: int
) -> None:
    workspace = shared_workspace
    project = make_project(
        workspace,
        images=10,
        size=(2, 2),
        name=f"queue {next(_names)}",
        truth=False,
        settings=ProjectSettings(annotation=AnnotationSettings(audit_every=audit_every, audit_target=3)),
    )
    hands: dict[str, set[int]] = {"ada": set(), "bob": set(), "eve": set()}
    on_screens: dict[str, set[int]] = {who: set() for who in hands}
    begun_by: dict[int, str] = {}
    done: set[int] = set()
    for person, action, number in steps:
        mine = sorted(hands[person])
        if action in ("next", "hold"):
            holding = mine[0] if action == "hold" and mine else None
            given_out = ids(queue.next_images(workspace, project.id, person, number, holding=holding))
            assert len(set(given_out)) == len(given_out)
            on_screens[person] |= {one for one in given_out if begun_by.get(one) == person}
            on_screens[person] |= {holding} if holding else set()
            hands[person] = {*given_out, *on_screens[person]}
            assert not done & set(given_out)
        elif action == "draft" and mine:
            submit(workspace, mine[0], person, "draft")
            on_screens[person].add(mine[0])
            begun_by[mine[0]] = person
        elif action == "submit" and mine:
            submit(workspace, mine[0], person)
            done.add(mine[0])
            begun_by.pop(mine[0], None)
        elif action == "skip" and mine:
            queue.skip(workspace, mine[0], person)
        elif action == "open":
            wanted = images.list_images(workspace, project.id)[number].id
            _, held_by = queue.open_image(workspace, wanted, person)
            assert held_by == next((who for who in hands if who != person and wanted in hands[who]), None)
            if held_by is None:
                hands[person].add(wanted)
                on_screens[person].add(wanted)
        elif action == "release":
            queue.release_all(workspace, person)
            hands[person], on_screens[person] = set(), set()
        if action in ("submit", "skip") and mine:
            hands[person].discard(mine[0])
            on_screens[person].discard(mine[0])
        for one, two in itertools.combinations(hands.values(), 2):
            assert not one & two
        leased = {info.id: info.leased_by for info in images.list_images(workspace, project.id)}
        assert leased == {
            image_id: next((who for who in hands if image_id in hands[who]), None) for image_id in leased
        }
    assert images.split_counts(workspace, project.id)["audit"] <= 3


def label_in_order(workspace: Workspace, project: ProjectInfo, count: int, batch: int = 6) -> list[QueueItem]:
    done = []
    for _ in range(count):
        item = queue.next_images(workspace, project.id, "ada", batch)[0]
        submit(workspace, item.image.id)
        done.append(item)
    return done


@pytest.mark.parametrize("batch", [1, 6])
def test_every_sixth_image_is_an_audit_image_the_first_four_sooner(workspace: Workspace, batch: int) -> None:
    project = make_project(workspace, images=42, size=(2, 2))
    done = label_in_order(workspace, project, 36, batch)
    audited = [number for number, item in enumerate(done, start=1) if item.split == "audit"]
    assert audited == [3, 6, 9, 12, 30, 36]
    audit = [item for item in done if item.is_audit]
    assert len(audit) == 6
    assert all(
        item.map_blob is None and item.rank is None and item.suggestion_round_id is None for item in audit
    )
    assert audit[0].why.startswith("Audit image, drawn at random and labelled blind")
    drawn = [
        event.detail["drawn"] for event in events.recent(workspace, project.id, 100) if event.kind == "audit"
    ]
    assert [len(of_one) for of_one in drawn] == [7], "with the third label, as many as 42 come to"
    assert {item.image.id for item in audit} <= set(drawn[0])


@pytest.mark.parametrize(("count", "audited"), [(10, 3), (26, 4), (40, 6), (46, 7)])
def test_no_audit_image_is_drawn_beyond_the_rate(workspace: Workspace, count: int, audited: int) -> None:
    project = make_project(workspace, images=count, size=(2, 2), truth=False)
    done = label_in_order(workspace, project, count)
    assert sum(item.is_audit for item in done) == audited
    assert images.split_counts(workspace, project.id)["audit"] == audited


def test_audit_images_are_no_easier_than_all_though_the_hardest_are_asked_for_first(
    workspace: Workspace,
) -> None:
    hardness = []
    for seed in range(8):
        rate = ProjectSettings(annotation=AnnotationSettings(seed=seed))
        project = make_project(workspace, images=48, size=(2, 2), name=f"{seed}", settings=rate, truth=False)
        hardest_first = all_ids(workspace, project)
        submit(workspace, hardest_first[0])
        publish_ranking(workspace, project.id, hardest_first)
        done = label_in_order(workspace, project, 43, batch=2)
        hardness += [hardest_first.index(item.image.id) for item in done if item.is_audit]
    assert len(hardness) == 8 * 7
    # The mean of 56 places of 0 … 47 has a standard deviation of 1.9; drawn one by one it was 28.5.
    assert abs(sum(hardness) / len(hardness) - 23.5) < 4


def test_what_is_on_a_screen_is_not_drawn_for_audit(workspace: Workspace) -> None:
    rate = ProjectSettings(annotation=AnnotationSettings(audit_every=1))
    project = make_project(workspace, images=4, size=(2, 2), settings=rate)
    first, second, *others = all_ids(workspace, project)
    for on_screen in (first, second):
        queue.open_image(workspace, on_screen, "ada")
    items = queue.next_images(workspace, project.id, "ada", 4, holding=first)
    assert sorted(item.image.id for item in items if item.is_audit) == others


@pytest.mark.parametrize(
    ("every", "expected"), [(1, [1, 2, 3, 4, 5, 6, 7, 8]), (2, [2, 4, 6, 8]), (3, [2, 4, 6, 8]), (8, [4, 8])]
)
def test_the_first_audit_images_leave_room_for_training(
    workspace: Workspace, every: int, expected: list[int]
) -> None:
    rate = ProjectSettings(annotation=AnnotationSettings(audit_every=every))
    done = label_in_order(workspace, make_project(workspace, images=10, size=(2, 2), settings=rate), 8)
    assert [number for number, item in enumerate(done, start=1) if item.is_audit] == expected


def test_audit_images_that_imported_labels_make_due_come_among_others(workspace: Workspace) -> None:
    project = make_project(workspace, images=60, size=(2, 2))
    for image_id in all_ids(workspace, project)[:24]:
        submit(workspace, image_id)
    done = label_in_order(workspace, project, 24)
    assert [number for number, item in enumerate(done, start=1) if item.is_audit] == [
        3,
        6,
        9,
        12,
        15,
        16,
        18,
        24,
    ]


def test_a_skipped_audit_image_has_had_its_turn(workspace: Workspace) -> None:
    project = make_project(workspace, images=40, size=(2, 2))
    skipped = []
    while len(skipped) < 20 and images.split_counts(workspace, project.id)["train"] < 12:
        item = queue.next_images(workspace, project.id, "ada", 1)[0]
        if item.is_audit:
            queue.skip(workspace, item.image.id, "ada")
            skipped.append(item.image.id)
        else:
            submit(workspace, item.image.id)
    assert len(skipped) == 4, "one after each third label"
    assert images.split_counts(workspace, project.id)["audit"] == 6, "drawn ahead"


def test_audit_stops_at_its_target_and_can_be_off(workspace: Workspace) -> None:
    few = ProjectSettings(annotation=AnnotationSettings(audit_every=2, audit_target=3))
    done = label_in_order(workspace, make_project(workspace, images=14, size=(2, 2), settings=few), 14)
    assert sum(item.is_audit for item in done) == 3
    off = make_project(workspace, images=14, size=(2, 2), name="off", settings=no_audit())
    assert not any(item.is_audit for item in label_in_order(workspace, off, 14))


def test_audit_images_show_nothing_of_the_model(workspace: Workspace) -> None:
    project = make_project(workspace, images=12, size=(2, 2))
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    publish_ranking(workspace, project.id, everything)
    audit = next(item for item in queue.next_images(workspace, project.id, "ada", 6) if item.is_audit)
    opened, _ = queue.open_image(workspace, audit.image.id, "ada")
    listed = queue.ranked_images(workspace, project.id, split="audit")[0][0]
    # It would measure the model again when its exclusion is undone.
    images.set_split(workspace, [audit.image.id], "excluded", "ada")
    set_aside, _ = queue.open_image(workspace, audit.image.id, "ada")
    sorted_by_score = queue.ranked_images(workspace, project.id, split="excluded", order="margin")[0][0]
    for item in (audit, opened, listed, set_aside, sorted_by_score):
        assert (item.is_audit, item.map_blob, item.uncertainty_blob, item.score, item.rank) == (
            True,
            None,
            None,
            None,
            None,
        )


def test_a_drawn_audit_image_waits_for_whoever_is_free(workspace: Workspace) -> None:
    project = make_project(workspace, images=30, size=(2, 2))
    now = time.time()
    (drawn,) = [item for item in queue.next_images(workspace, project.id, "ada", 3, now=now) if item.is_audit]
    assert not any(item.is_audit for item in queue.next_images(workspace, project.id, "bob", 3, now=now))
    later = now + 20 * 60
    (handed_on,) = [
        item for item in queue.next_images(workspace, project.id, "bob", 3, now=later) if item.is_audit
    ]
    assert handed_on.image.id == drawn.image.id


def test_an_audit_image_that_somebody_else_began_waits_for_them(workspace: Workspace) -> None:
    project = make_project(workspace, images=30, size=(2, 2))
    now = time.time()
    (drawn,) = [item for item in queue.next_images(workspace, project.id, "ada", 3, now=now) if item.is_audit]
    submit(workspace, drawn.image.id, status="draft")
    later = now + 20 * 60
    assert not any(item.is_audit for item in queue.next_images(workspace, project.id, "bob", 3, now=later))
    assert queue.next_images(workspace, project.id, "ada", 1, now=later)[0].image.id == drawn.image.id


def test_audit_draws_are_repeatable_and_spread(workspace: Workspace) -> None:
    first_draws = []
    for seed in range(12):
        project = make_project(
            workspace,
            images=20,
            size=(1, 1),
            name=f"seed {seed}",
            truth=False,
            settings=ProjectSettings(annotation=AnnotationSettings(audit_every=1, audit_target=1, seed=seed)),
        )
        item = queue.next_images(workspace, project.id, "ada", 1)[0]
        assert item.is_audit
        first_draws.append(item.image.name)
    assert len(set(first_draws)) >= 5


def test_the_queue_page_filters_and_turns(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    submit(workspace, everything[1], status="draft")
    queue.skip(workspace, everything[2], "bob")
    images.set_split(workspace, [everything[3]], "excluded", "ada")
    publish_ranking(workspace, project.id, everything[::-1])
    # Whatever rank they have: behind what waits comes what was skipped, then the labelled, the excluded last.
    in_order = [*everything[:3:-1], everything[1], everything[2], everything[0], everything[3]]
    items, total = queue.ranked_images(workspace, project.id)
    assert (ids(items), total) == (in_order, 12)
    page, total = queue.ranked_images(workspace, project.id, offset=5, limit=3)
    assert (ids(page), total) == (in_order[5:8], 12)
    found = {
        state: ids(queue.ranked_images(workspace, project.id, state=state)[0])
        for state in ("draft", "submitted", "skipped")
    }
    assert found == {"draft": [everything[1]], "submitted": [everything[0]], "skipped": [everything[2]]}
    assert queue.ranked_images(workspace, project.id, state="unlabelled")[1] == 10
    assert ids(queue.ranked_images(workspace, project.id, split="excluded")[0]) == [everything[3]]
    with pytest.raises(InvalidInput):
        queue.ranked_images(workspace, project.id, state="done")


def test_on_the_page_what_waits_for_the_audit_stands_before_what_is_labelled(
    workspace: Workspace, project: ProjectInfo
) -> None:
    trained, audited, waiting, *pool = all_ids(workspace, project)
    images.set_split(workspace, [audited, waiting], "audit", "ada")
    submit(workspace, trained)
    submit(workspace, audited)
    publish_ranking(workspace, project.id, pool)
    submit(workspace, pool[0])
    in_order = [*pool[1:], waiting, pool[0], trained, audited]
    assert ids(queue.ranked_images(workspace, project.id)[0]) == in_order
    by_score = ids(queue.ranked_images(workspace, project.id, order="margin")[0])
    assert by_score[-3:] == [waiting, trained, audited]


@pytest.mark.parametrize(
    ("most_given", "near_an_end"),
    [(queue_page.MOST_GIVEN, 0), (4, 10), (4, -1)],
    ids=["by their ids", "one by one", "all ahead"],
)
def test_the_queue_page_sorts_and_filters_by_what_the_round_thinks(
    workspace: Workspace,
    project: ProjectInfo,
    monkeypatch: pytest.MonkeyPatch,
    most_given: int,
    near_an_end: int,
) -> None:
    monkeypatch.setattr(queue_page, "MOST_GIVEN", most_given)
    monkeypatch.setattr(queue_page, "NEAR_AN_END", near_an_end)
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    images.set_split(workspace, everything[10:11], "audit", "ada")
    ranking = everything[10:1:-1]
    publish_ranking(workspace, project.id, ranking)
    shown = ranking[1:]

    def page(**how: Any) -> list[int]:
        found, total = queue.ranked_images(workspace, project.id, **how)
        assert total == len(ids(found))
        parts = [
            ids(queue.ranked_images(workspace, project.id, **how, offset=at, limit=3)[0])
            for at in range(0, total, 3)
        ]
        assert list(itertools.chain(*parts)) == ids(found)
        return ids(found)

    assert page()[:8] == shown
    assert sorted(page()) == everything
    assert page(order="predictive_entropy")[:8] == shown
    assert page(order="margin")[:8] == shown[::-1]
    first, *_ = queue.ranked_images(workspace, project.id, order="novelty")[0]
    assert (first.novelty, first.rank) == (1.0, 3)
    assert first.scores == {"predictive_entropy": pytest.approx(1 / 3), "margin": pytest.approx(3 / 9)}
    assert first.unsure_of == (0, 1)
    assert sorted(page(order="variance")) == everything
    assert page(unsure_of=0) == [shown[1], shown[4], shown[7]]
    assert page(unsure_of=1) == shown
    assert page(unsure_of=2, order="margin", name="SCENE_000") == [
        image_id
        for image_id in shown[::-1]
        if image_id in everything[:10] and image_id not in page(unsure_of=0)
    ]
    assert page(name="SCENE_000", order="name") == everything[:10]
    assert page(name="E_001", order="name") == everything[10:]
    assert page(name="_cene") == page(name="e%0") == page(name="/") == []
    assert page(split="audit") == page(split="audit", order="margin") == [everything[10]]
    assert page(split="audit", unsure_of=1) == []
    assert page(split="pool")[:8] == shown
    assert page(split="pool")[8:] == [everything[i] for i in (1, 11)] or page(split="pool")[8:] == [
        everything[i] for i in (11, 1)
    ]
    assert page(order="name") == everything
    assert page(order="newest")[0] == everything[0]
    given_ids = [everything[5], everything[10], everything[2], 10_000]
    assert page(order="given", image_ids=given_ids) == given_ids[:3]
    assert page(image_ids=given_ids) == [everything[5], everything[2], everything[10]]
    images.set_split(workspace, everything[10:11], "excluded", "ada")
    for order in ("place", "name", "margin"):
        assert everything[10] not in page(unsure_of=1, order=order)
        assert page(split="excluded", unsure_of=1, order=order) == []
        assert page(split="excluded", order=order) == [everything[10]]
        assert sorted(page(order=order)) == everything
    for wrong in ({"order": "given"}, {"order": "rank"}, {"image_ids": range(queue_page.MOST_GIVEN + 1)}):
        with pytest.raises(InvalidInput):
            queue.ranked_images(workspace, project.id, **wrong)


@pytest.mark.parametrize(("scored", "few_scored"), [(0, 0), (4, queue_page.FEW_SCORED), (4, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_queue_page_has_the_order_that_is_handed_out(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, scored: int, few_scored: int, seed: int
) -> None:
    monkeypatch.setattr(queue_page, "FEW_SCORED", few_scored)
    project = make_project(workspace, images=16, size=(2, 2), settings=no_audit(seed=seed))
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    if scored:
        publish_ranking(workspace, project.id, everything[1 : scored + 1])
    for skipped in (everything[9], everything[2]):
        queue.skip(workspace, skipped, "ada")
    queue.pin(workspace, [everything[12], everything[3]], "ada")
    submit(workspace, everything[1])
    handed_out = ids(queue.next_images(workspace, project.id, "ada", 16))
    assert len(handed_out) == 14
    found, total = queue.ranked_images(workspace, project.id)
    assert (ids(found)[:14], total) == (handed_out, 16)
    assert set(ids(found)[14:]) == set(everything[:2])
    by_twos = [queue.ranked_images(workspace, project.id, offset=at, limit=2)[0] for at in range(0, 16, 2)]
    assert [ids(page) for page in by_twos] == [ids(found)[at : at + 2] for at in range(0, 16, 2)]


def test_questions_of_the_queue_page_are_understood_by_postgresql(
    workspace: Workspace, project: ProjectInfo
) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    publish_ranking(workspace, project.id, everything)
    with workspace.database.reading() as session:
        row = session.get_one(Project, project.id)
        conditions = [Image.name.icontains("a")]
        for order in queue_page.ORDERS[:-1]:
            for part in queue_page._parts(queue_page._Filters(row, "pool", conditions, 1), order):
                assert "ORDER BY" in str(part.question().compile(dialect=postgresql.dialect()))


def test_questions_of_the_choice_are_understood_by_postgresql() -> None:
    asked = [value for name, value in vars(queue_questions).items() if name.isupper() and name[0] != "_"]
    asked.remove(queue_questions.SCORED)
    for question in asked:
        for part in question if isinstance(question, tuple) else [question]:
            assert str(part.compile(dialect=postgresql.dialect())).startswith(("SELECT", "UPDATE"))


def test_choosing_asks_little(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    publish_ranking(workspace, project.id, everything[1:])
    asked: list[str] = []
    event.listen(
        workspace.database.engine, "before_cursor_execute", lambda *given: asked.append(str(given[2]))
    )
    queue.next_images(workspace, project.id, "ada", 6)
    assert len(asked) <= 10


def test_pages_of_a_score_are_read_from_an_index(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    publish_ranking(workspace, project.id, everything)
    seen: list[str] = []
    with workspace.database.reading() as session:
        row = session.get_one(Project, project.id)
        for order in ("place", "novelty", "margin"):
            scored = queue_page._parts(queue_page._Filters(row, None, [], 1), order)[int(order == "place")]
            text_of = str(
                scored.question()
                .limit(9)
                .compile(session.connection(), compile_kwargs={"literal_binds": True})
            )
            plan = session.execute(text(f"EXPLAIN QUERY PLAN {text_of}")).all()
            seen.append(" ".join(str(step.detail) for step in plan))
    for order, plan in zip(("place", "novelty", "margin"), seen, strict=True):
        assert f"USING COVERING INDEX ix_prediction_round_{order}" in plan
        assert "TEMP B-TREE" not in plan


def test_pinned_images_come_first_in_the_order_they_were_pinned(
    workspace: Workspace, project: ProjectInfo
) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    images.set_split(workspace, everything[1:2], "audit", "ada")
    publish_ranking(workspace, project.id, everything[2:])
    queue.skip(workspace, everything[9], "bob")
    assert queue.pin(workspace, [everything[11], everything[9], *everything[:2]], "bob") == 2
    assert queue.pin(workspace, [everything[6], everything[11]], "ada") == 1
    items = queue.next_images(workspace, project.id, "ada", 12)
    assert ids(items)[:4] == [everything[11], everything[9], everything[6], everything[2]]
    assert [item.pinned for item in items[:4]] == [True, True, True, False]
    assert items[0].why == "Pinned to the front by bob"
    pinned, _ = queue.ranked_images(workspace, project.id, limit=1, annotator="bob")
    assert pinned[0].why == "Pinned to the front by you"
    assert ids(queue.ranked_images(workspace, project.id)[0])[:4] == ids(items)[:4]
    queue.skip(workspace, everything[11], "ada")
    assert queue.unpin(workspace, everything, "ada") == 2
    assert queue.unpin(workspace, everything, "ada") == 0
    assert ids(queue.next_images(workspace, project.id, "ada", 12))[0] == everything[2]
    kinds = [event.kind for event in events.recent(workspace, project.id) if "pin" in event.kind]
    assert kinds == ["unpin", "pin", "pin"]
    with pytest.raises(NotFound):
        queue.pin(workspace, [everything[2], 10_000], "ada")
    assert not queue.ranked_images(workspace, project.id)[0][0].pinned


def test_many_images_are_moved_by_few_questions_and_all_or_none(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody else's save waits as long as the transaction takes."""
    monkeypatch.setattr(id_batches, "IDS_A_QUERY", 5)
    everything = all_ids(workspace, project)
    submit(workspace, everything[7])
    asked: list[str] = []
    event.listen(
        workspace.database.engine, "before_cursor_execute", lambda *given: asked.append(str(given[2]))
    )
    order = [*everything[::-1], everything[3]]
    every = len(everything)
    for act, changed, most in (
        (lambda which: queue.pin(workspace, which, "ada"), every - 1, 6),
        (lambda which: images.set_split(workspace, which, "excluded", "ada"), every, 13),
        (lambda which: images.bring_back(workspace, which, "ada"), every, 13),
        (lambda which: queue.unpin(workspace, which, "ada"), every - 1, 8),
    ):
        before = images.list_images(workspace, project.id)
        with pytest.raises(NotFound, match="no image number 10000"):
            act([*order, 10_000])
        assert images.list_images(workspace, project.id) == before
        asked.clear()
        assert act(order) == changed
        # What is read before is asked in transactions of its own, which nobody waits for.
        begun = max(place for place, question in enumerate(asked) if question.startswith("BEGIN"))
        writing = asked[begun:]
        assert len(writing) <= most, writing
        if changed == every - 1:
            continue
        newest = events.recent(workspace, project.id, every)
        assert [entry.detail["image"] for entry in newest[::-1]] == order[:-1]
    assert projects.get_project(workspace, project.id).labels_changed == 1
    with workspace.database.reading() as session:
        kinds = session.scalars(select(Event.kind).order_by(Event.id)).all()
    assert kinds[-2 * every - 2 :] == ["pin", *["exclude"] * every, *["restore"] * every, "unpin"]


def test_pins_keep_their_order_over_many_questions(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_batches, "IDS_A_QUERY", 5)
    everything = all_ids(workspace, project)
    order = everything[6:] + everything[:6][::-1]
    assert queue.pin(workspace, order, "ada") == 12
    assert queue.asked_for(workspace, project.id) == order


def test_a_pinned_image_is_not_drawn_for_audit(workspace: Workspace) -> None:
    rate = ProjectSettings(annotation=AnnotationSettings(audit_every=1))
    project = make_project(workspace, images=6, size=(2, 2), settings=rate)
    pinned, *others = all_ids(workspace, project)
    queue.pin(workspace, [pinned], "ada")
    items = queue.next_images(workspace, project.id, "ada", 6)
    assert (items[0].image.id, items[0].is_audit) == (pinned, False)
    assert sorted(item.image.id for item in items if item.is_audit) == others


def test_images_without_a_score_come_by_how_unlike_they_are(
    workspace: Workspace, project: ProjectInfo
) -> None:
    labelled, near, far, copy, unseen, *ranking = all_ids(workspace, project)
    submit(workspace, labelled)
    angles = [0.0, 0.6, 3.0, 0.1, *([1.0] * len(ranking))]
    found = some_embeddings([labelled, near, far, copy, *ranking], angles, 0.9)
    publish_ranking(workspace, project.id, ranking, found)
    items = queue.next_images(workspace, project.id, "ada", 12)
    assert ids(items)[:-2] == [*ranking, far, near]
    assert set(ids(items)[-2:]) == {copy, unseen}, "what is like a labelled one has no reason to come early"
    early, random = (f"Not scored by the last round: {how}" for how in ("it comes early", "in random order"))
    assert all(item.why.startswith(early) for item in items[-4:-2])
    assert all(item.why.startswith(random) for item in items[-2:])


def test_the_order_of_an_earlier_round_does_not_count(workspace: Workspace, project: ProjectInfo) -> None:
    labelled, *ranking = all_ids(workspace, project)
    submit(workspace, labelled)
    publish_ranking(workspace, project.id, ranking)
    publish_ranking(workspace, project.id, ranking[::-1])
    assert ids(queue.next_images(workspace, project.id, "ada", 12)) == ranking[::-1]


def test_nothing_of_another_project_is_handed_out(workspace: Workspace) -> None:
    settings = ProjectSettings(annotation=AnnotationSettings(audit_every=1))
    project, other = (make_project(workspace, 5, (2, 2), name=name, settings=settings) for name in "ab")
    drafted, pinned, skipped, audited, _ = all_ids(workspace, other)
    submit(workspace, drafted, "ada", "draft")
    queue.pin(workspace, [pinned], "ada")
    queue.skip(workspace, skipped, "ada")
    images.set_split(workspace, [audited], "audit", "ada")
    handed_out = queue.next_images(workspace, project.id, "ada", 20)
    assert sorted(ids(handed_out)) == all_ids(workspace, project)


def test_drafts_and_pinned_images_wait_while_somebody_else_holds_them(
    workspace: Workspace, project: ProjectInfo
) -> None:
    drafted, pinned, skipped, *others = all_ids(workspace, project)
    submit(workspace, drafted, "ada", "draft")
    queue.pin(workspace, [pinned], "ada")
    queue.skip(workspace, skipped, "ada")
    queue.release_all(workspace, "ada")
    for image_id in (drafted, pinned, skipped):
        assert queue.open_image(workspace, image_id, "bob")[1] is None
    assert sorted(ids(queue.next_images(workspace, project.id, "ada", 20))) == others
    queue.release_all(workspace, "bob")
    assert ids(queue.next_images(workspace, project.id, "ada", 20))[:2] == [drafted, pinned]


def test_images_are_unlike_what_trains_not_what_measures(workspace: Workspace, project: ProjectInfo) -> None:
    labelled, audited, near, far, *ranking = all_ids(workspace, project)
    images.set_split(workspace, [audited], "audit", "ada")
    submit(workspace, labelled)
    submit(workspace, audited)
    known = [labelled, audited, near, far, *ranking]
    # The image farthest from the one that trains is a copy of the one that measures.
    found = some_embeddings(known, [0.0, 3.0, 0.3, 3.0, *([1.0] * len(ranking))], 0.9)
    publish_ranking(workspace, project.id, ranking, found)
    assert ids(queue.next_images(workspace, project.id, "ada", 12)) == [*ranking, far, near]


def test_progress_counts(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0])
    submit(workspace, everything[1], status="draft")
    images.set_split(workspace, everything[2:4], "audit", "ada")
    submit(workspace, everything[2])
    images.set_split(workspace, everything[4:5], "excluded", "ada")
    found = queue.progress(workspace, project.id)
    assert (found.images, found.pool, found.train, found.audit, found.excluded) == (12, 8, 1, 2, 1)
    assert (found.labelled, found.audit_labelled) == (2, 1)
    assert images.any_labelled(workspace, project.id, "audit")
    assert not images.any_labelled(workspace, project.id, "pool"), "a draft is not handed in"
    assert (found.round, found.current_round_number) == (None, None)
    assert found.next_round.reason == "1 of 4 new labels for the first round"


def test_an_excluded_image_is_not_handed_out(workspace: Workspace, project: ProjectInfo) -> None:
    everything = all_ids(workspace, project)
    submit(workspace, everything[0], status="draft")
    images.set_split(workspace, everything[:4], "excluded", "ada")
    assert sorted(ids(queue.next_images(workspace, project.id, "ada", 20))) == everything[4:]


def test_splits_follow_the_labels(workspace: Workspace, project: ProjectInfo) -> None:
    labelled, plain = all_ids(workspace, project)[:2]
    submit(workspace, labelled)
    images.set_split(workspace, [labelled, plain], "excluded", "ada")
    images.set_split(workspace, [labelled, plain], "pool", "ada")
    assert [images.image(workspace, i).split for i in (labelled, plain)] == ["train", "pool"]
    assert projects.get_project(workspace, project.id).labels_changed == 1
    publish_ranking(workspace, project.id, [plain])
    with pytest.raises(InvalidInput, match="already trained"):
        images.set_split(workspace, [plain, labelled], "audit", "ada")
    assert images.image(workspace, plain).split == "pool"
    with pytest.raises(InvalidInput):
        images.set_split(workspace, [plain], "test", "ada")


@pytest.mark.parametrize(
    "again", [images.bring_back, lambda *which: images.set_split(*which[:2], "pool", "ada")]
)
def test_an_excluded_image_comes_back_to_where_it_was(
    workspace: Workspace, project: ProjectInfo, again: Callable[[Workspace, list[int], str], object]
) -> None:
    everything = all_ids(workspace, project)
    measures, drawn, trains, _, labelled_late = everything[:5]
    images.set_split(workspace, [measures, drawn], "audit", "ada")
    for image_id in (measures, trains):
        submit(workspace, image_id)
    before = projects.get_project(workspace, project.id).labels_changed
    images.set_split(workspace, everything[:5], "excluded", "ada")
    submit(workspace, labelled_late)
    again(workspace, everything[:5], "ada")
    found = [images.image(workspace, image_id).split for image_id in everything[:5]]
    assert found == ["audit", "audit", "train", "pool", "train"]
    # Out of training and back into it is nothing, and one label is new to it; what measures counts for none.
    assert projects.get_project(workspace, project.id).labels_changed == before + 1
    newest = events.recent(workspace, project.id, limit=5)[-1]
    assert (newest.kind, newest.detail["before"], newest.detail["after"]) == ("restore", "excluded", "audit")
    taken = round_requests.request_round(workspace, project.id, "ada", "a test").id
    assert [one.image_id for one in rounds.snapshot(workspace, taken).labels] == [trains, labelled_late]
    # It is the newest exclusion that counts.
    images.set_split(workspace, [drawn], "pool", "ada")
    images.set_split(workspace, [drawn], "excluded", "ada")
    again(workspace, [drawn], "ada")
    assert images.image(workspace, drawn).split == "pool"


def test_bringing_back_leaves_other_images_alone(workspace: Workspace, project: ProjectInfo) -> None:
    audit, excluded, plain = all_ids(workspace, project)[:3]
    images.set_split(workspace, [audit], "audit", "ada")
    images.set_split(workspace, [excluded], "excluded", "ada")
    assert images.bring_back(workspace, [audit, excluded, excluded, plain], "ada") == 1
    assert [images.image(workspace, one).split for one in (audit, excluded, plain)] == [
        "audit",
        "pool",
        "pool",
    ]
    with pytest.raises(NotFound):
        images.bring_back(workspace, [10_000], "ada")


def test_only_what_has_trained_is_refused_for_audit(workspace: Workspace, project: ProjectInfo) -> None:
    trained, set_aside, given_up, late = all_ids(workspace, project)[:4]
    submit(workspace, trained)
    submit(workspace, set_aside)
    images.set_split(workspace, [set_aside], "excluded", "ada")
    publish_ranking(workspace, project.id, [late])
    images.set_split(workspace, [set_aside], "audit", "ada")
    submit(workspace, given_up)
    failed = round_requests.request_round(workspace, project.id, "ada", "a test")
    with pytest.raises(InvalidInput, match="already trained"):  # the round may train on it yet
        images.set_split(workspace, [given_up], "audit", "ada")
    rounds.request_cancel(workspace, failed.id, "ada")
    images.set_split(workspace, [given_up], "audit", "ada")
    images.set_split(workspace, [trained], "excluded", "ada")
    with pytest.raises(InvalidInput, match="already trained"):
        images.set_split(workspace, [late, trained], "audit", "ada")
    assert [images.image(workspace, one).split for one in (set_aside, given_up, late)] == [
        "audit",
        "audit",
        "pool",
    ]


def test_a_round_requested_meanwhile_is_not_overlooked(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = all_ids(workspace, project)[0]
    submit(workspace, labelled)
    look = images._trained

    def request_after(*which: Any) -> Any:
        found = look(*which)
        monkeypatch.setattr(images, "_trained", look)
        round_requests.request_round(workspace, project.id, "bob", "a test")
        return found

    monkeypatch.setattr(images, "_trained", request_after)
    with pytest.raises(InvalidInput, match="already trained"):
        images.set_split(workspace, [labelled], "audit", "ada")


def test_an_image_joins_a_project_once(workspace: Workspace, project: ProjectInfo) -> None:
    info = images.list_images(workspace, project.id)[0]
    again = images.add_image(
        workspace,
        project.id,
        name="copy.png",
        content_hash=info.content_hash,
        blob=info.blob,
        media_type=info.media_type,
        width=info.width,
        height=info.height,
    )
    assert again is None
    assert len(images.by_content(workspace, project.id)) == 12
    assert images.truth(workspace, info.id).shape == (24, 32)
    bare = add_image(workspace, project.id, 99, truth=False)
    with pytest.raises(NotFound):
        images.truth(workspace, bare)


def test_whether_a_truth_is_known_is_read_from_an_index(workspace: Workspace) -> None:
    project = make_project(workspace, images=3, size=(2, 2), truth=False)
    asked: list[tuple[str, Any]] = []
    event.listen(
        workspace.database.engine,
        "before_cursor_execute",
        lambda *given: asked.append((str(given[2]), given[3])),
    )
    assert not images.any_truth(workspace, project.id)
    question, values = asked[-1]
    with workspace.database.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", values).all()
    assert "INDEX ix_image_truth" in " ".join(str(step.detail) for step in plan)
    add_image(workspace, project.id, 99)
    assert images.any_truth(workspace, project.id)


def test_a_correction_of_a_trained_image_is_handed_in(workspace: Workspace, project: ProjectInfo) -> None:
    corrected = all_ids(workspace, project)[4]
    submit(workspace, corrected)
    submit(workspace, corrected, status="draft")
    assert ids(queue.next_images(workspace, project.id, "ada", 1)) == [corrected]
    submit(workspace, corrected)
    assert corrected not in ids(queue.next_images(workspace, project.id, "ada", 12))
