"""Label maps keep every pixel, every revision and every other person's work."""

import itertools
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from storage import events, images, labels, projects, queue
from storage.errors import InvalidInput, InvalidLabelMap, LabelConflict, LeaseLost, NotFound
from storage.labels import decode_label_map, encode_label_map
from storage.projects import ClassChange, ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace, open_workspace
from tests.storage.project_factory import make_project, publish_ranking, submit

SIZE = (24, 32)


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=4, size=SIZE)


@pytest.fixture
def first(workspace: Workspace, project: ProjectInfo) -> int:
    return images.list_images(workspace, project.id)[0].id


def filled(value: int) -> np.ndarray:
    return np.full(SIZE, value, np.uint8)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
values = st.one_of(st.integers(0, 253), st.sampled_from([NOT_LABELLED, VOID]))


@given(arrays(np.uint8, shapes, elements=values))
def test_a_label_map_survives_its_file(label_map: np.ndarray) -> None:
    data = encode_label_map(label_map)
    assert data == encode_label_map(label_map.copy(order="F"))
    np.testing.assert_array_equal(decode_label_map(data), label_map)


@pytest.mark.parametrize("value", [0, 253, NOT_LABELLED, VOID])
def test_a_single_pixel_survives_its_file(value: int) -> None:
    assert decode_label_map(encode_label_map(np.array([[value]], np.uint8))).tolist() == [[value]]


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)],
)
def test_what_is_no_label_map_is_not_written(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidLabelMap):
        encode_label_map(wrong)


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", encode_label_map(np.eye(9, dtype=np.uint8))[:50]],
    ids=["empty", "text", "cut"],
)
def test_a_damaged_file_is_named(data: bytes) -> None:
    with pytest.raises(InvalidLabelMap):
        decode_label_map(data)


def test_an_image_without_labels_reads_as_not_labelled(workspace: Workspace, first: int) -> None:
    label_map, revision = labels.read(workspace, first)
    assert revision == 0
    np.testing.assert_array_equal(label_map, filled(NOT_LABELLED))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((32, 24), np.uint8), "32×24"),
        (np.zeros(SIZE, np.int64), "uint8"),
        (filled(3), "class 3"),
        (filled(253), "class 253"),
    ],
)
def test_a_label_map_that_does_not_fit_changes_nothing(
    workspace: Workspace, first: int, wrong: np.ndarray, said: str
) -> None:
    with pytest.raises(InvalidLabelMap, match=said):
        labels.save(workspace, first, wrong, expected_revision=0, author="ada")
    assert labels.history(workspace, first) == []
    assert images.image(workspace, first).leased_by is None


def test_nothing_labelled_is_a_draft_but_no_submission(workspace: Workspace, first: int) -> None:
    blank = filled(NOT_LABELLED)
    with pytest.raises(InvalidLabelMap, match="Nothing is labelled"):
        labels.save(workspace, first, blank, expected_revision=0, author="ada", status="submitted")
    assert labels.save(workspace, first, blank, expected_revision=0, author="ada").labelled_share == 0.0


def test_archived_classes_stay_valid(workspace: Workspace, project: ProjectInfo, first: int) -> None:
    projects.update_classes(workspace, project.id, {2: ClassChange(archived=True)}, "ada")
    assert labels.save(workspace, first, filled(2), expected_revision=0, author="ada").revision == 1


def test_a_revision_remembers_what_it_holds(workspace: Workspace, first: int) -> None:
    label_map = filled(NOT_LABELLED)
    label_map[:6] = 1
    label_map[6:12] = VOID
    saved = labels.save(
        workspace, first, label_map, expected_revision=0, author="ada", seconds_spent=12.5, blind=True
    )
    (entry,) = labels.history(workspace, first)
    assert (saved.labelled_share, entry.labelled_share) == (0.5, 0.5)
    assert entry.class_indices == (1,)
    assert (entry.author, entry.seconds_spent, entry.blind) == ("ada", 12.5, True)


def test_submitting_moves_the_image_to_train(workspace: Workspace, project: ProjectInfo, first: int) -> None:
    queue.skip(workspace, first, "ada")
    submit(workspace, first)
    info = images.image(workspace, first)
    assert (info.split, info.leased_by, info.skipped_at) == ("train", None, None)
    assert projects.get_project(workspace, project.id).labels_changed == 1
    assert events.recent(workspace, project.id)[0].kind == "submit"


@pytest.mark.parametrize("split", ["audit", "excluded"])
def test_an_image_that_does_not_train_stays_where_it_is_and_calls_for_no_round(
    workspace: Workspace, project: ProjectInfo, first: int, split: str
) -> None:
    images.set_split(workspace, [first], split, "ada")
    submit(workspace, first)
    assert images.image(workspace, first).split == split
    assert projects.get_project(workspace, project.id).labels_changed == 0


def test_a_draft_reserves_the_image_and_leaves_the_split(
    workspace: Workspace, project: ProjectInfo, first: int
) -> None:
    submit(workspace, first, status="draft")
    info = images.image(workspace, first)
    assert (info.split, info.leased_by, info.draft_by) == ("pool", "ada", "ada")
    assert info.leased_until is not None
    assert 14 * 60 < info.leased_until - time.time() <= 15 * 60
    assert projects.get_project(workspace, project.id).labels_changed == 0


def test_the_journal_tells_of_a_draft_once(workspace: Workspace, project: ProjectInfo, first: int) -> None:
    for _ in range(3):
        submit(workspace, first, status="draft")
    assert [entry.kind for entry in events.recent(workspace, project.id)] == ["draft", "settings"]


def test_a_correction_keeps_the_image_in_train_until_it_is_submitted(
    workspace: Workspace, first: int
) -> None:
    submit(workspace, first)
    submit(workspace, first, status="draft")
    info = images.image(workspace, first)
    assert (info.split, info.revision, info.labelled_revision) == ("train", 2, 1)


def test_what_is_submitted_is_nobodys_draft(workspace: Workspace, first: int) -> None:
    submit(workspace, first, status="draft")
    submit(workspace, first)
    assert images.image(workspace, first).draft_by is None


def test_only_one_of_two_savers_of_a_revision_wins(workspace: Workspace, first: int) -> None:
    labels.save(workspace, first, filled(1), expected_revision=0, author="ada", status="submitted")
    with pytest.raises(LabelConflict) as conflict:
        labels.save(workspace, first, filled(2), expected_revision=0, author="bob", status="submitted")
    assert (conflict.value.revision, conflict.value.author) == (1, "ada")
    assert "ada" in str(conflict.value)
    np.testing.assert_array_equal(labels.read(workspace, first)[0], filled(1))


def test_a_lease_keeps_others_out_until_it_ends(
    workspace: Workspace, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.open_image(workspace, first, "ada")
    with pytest.raises(LeaseLost) as lost:
        labels.save(workspace, first, filled(1), expected_revision=0, author="bob")
    assert lost.value.held_by == "ada"
    later = time.time() + 16 * 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert labels.save(workspace, first, filled(1), expected_revision=0, author="bob").revision == 1


def test_a_repeated_request_is_answered_not_repeated(workspace: Workspace, first: int) -> None:
    request = str(uuid.uuid4())
    once = labels.save(
        workspace,
        first,
        filled(1),
        expected_revision=0,
        author="ada",
        status="submitted",
        submission_id=request,
    )
    again = labels.save(
        workspace,
        first,
        filled(1),
        expected_revision=0,
        author="ada",
        status="submitted",
        submission_id=request,
    )
    assert not once.repeated
    assert again.repeated
    assert (again.revision, again.created_at) == (once.revision, once.created_at)
    assert len(labels.history(workspace, first)) == 1


def test_a_request_belongs_to_one_image(workspace: Workspace, project: ProjectInfo) -> None:
    one, two = (info.id for info in images.list_images(workspace, project.id)[:2])
    request = str(uuid.uuid4())
    labels.save(workspace, one, filled(1), expected_revision=0, author="ada", submission_id=request)
    with pytest.raises(InvalidInput):
        labels.save(workspace, two, filled(1), expected_revision=0, author="ada", submission_id=request)


def test_every_revision_is_kept(workspace: Workspace, first: int) -> None:
    labels.save(workspace, first, filled(1), expected_revision=0, author="ada", status="submitted")
    labels.save(workspace, first, filled(2), expected_revision=1, author="bob", status="submitted")
    np.testing.assert_array_equal(labels.read(workspace, first, 1)[0], filled(1))
    np.testing.assert_array_equal(labels.read(workspace, first, 2)[0], filled(2))
    assert [(one.revision, one.author) for one in labels.history(workspace, first)] == [
        (2, "bob"),
        (1, "ada"),
    ]
    with pytest.raises(NotFound):
        labels.read(workspace, first, 9)


saves = st.lists(
    st.tuples(st.integers(-2, 1), st.integers(0, 2), st.sampled_from(["draft", "submitted"])), max_size=12
)


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(Path(tmp_path_factory.mktemp("history")))


_names = itertools.count()


@settings(max_examples=25, deadline=None)
@given(saves)
def test_history_is_exactly_the_saves_that_succeeded(
    shared_workspace: Workspace, attempts: list[tuple[int, int, str]]
) -> None:
    project = make_project(shared_workspace, images=1, size=SIZE, name=f"history {next(_names)}")
    image_id = images.list_images(shared_workspace, project.id)[0].id
    kept: list[tuple[int, str]] = []
    for off_by, value, status in attempts:
        expected = len(kept) + off_by
        if off_by == 0:
            saved = labels.save(
                shared_workspace,
                image_id,
                filled(value),
                expected_revision=expected,
                author="ada",
                status=status,
            )
            kept.append((value, status))
            assert saved.revision == len(kept)
        else:
            with pytest.raises(LabelConflict):
                labels.save(
                    shared_workspace, image_id, filled(value), expected_revision=expected, author="ada"
                )
    assert [entry.status for entry in reversed(labels.history(shared_workspace, image_id))] == [
        status for _, status in kept
    ]
    for revision, (value, _) in enumerate(kept, start=1):
        np.testing.assert_array_equal(labels.read(shared_workspace, image_id, revision)[0], filled(value))
    submitted = [number for number, (_, status) in enumerate(kept, start=1) if status == "submitted"]
    info = images.image(shared_workspace, image_id)
    assert info.labelled_revision == (submitted[-1] if submitted else 0)
    assert info.split == ("train" if submitted else "pool")


def test_a_round_that_the_project_has_not_is_left_out(
    workspace: Workspace, project: ProjectInfo, first: int
) -> None:
    """A page may be older than the backup that was restored under it; its strokes are worth no less."""
    other = make_project(workspace, images=1, name="other")
    submit(workspace, images.list_images(workspace, other.id)[0].id)
    of_other = publish_ranking(workspace, other.id, []).id
    for revision, asked in enumerate((10_000, of_other)):
        labels.save(
            workspace, first, filled(1), expected_revision=revision, author="ada", round_shown_id=asked
        )
    shown = [entry.round_shown_id for entry in labels.history(workspace, first)]
    assert shown == [None, None]
