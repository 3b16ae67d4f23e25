"""Exports: what they hold, that they repeat byte for byte, and that an import reads them back exactly."""

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from storage import export_target, exporting, images, labels, projects
from storage.errors import DiskFull, InvalidInput, WorkspaceError
from storage.exporting import export_project
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ClassChange, ClassSpec, ProjectInfo
from storage.workspace import Workspace, open_workspace
from tests.storage.test_new_folders import killed_while_writing


def add(
    workspace: Workspace,
    project: ProjectInfo,
    name: str,
    label_map: np.ndarray,
    split: str = "pool",
    group: str | None = None,
    status: str = "submitted",
) -> int:
    """Add an image of its own pixels with a label map and return its id."""
    height, width = label_map.shape
    key = hashlib.sha256(f"{name}{split}".encode()).digest()
    pixels = np.random.default_rng(list(key)).integers(0, 255, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    image_id = images.add_image(
        workspace,
        project.id,
        name=name,
        group=group,
        content_hash=hashlib.sha256(data + name.encode()).hexdigest(),
        blob=workspace.blobs.put(data),
        media_type="image/png",
        width=width,
        height=height,
        split=split,
    )
    assert image_id is not None
    if (label_map != 254).any():
        labels.save(
            workspace,
            image_id,
            label_map,
            expected_revision=0,
            author="anna",
            status=status,
            seconds_spent=12.5,
        )
    return image_id


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    """Three classes and four labelled images, two of them with the same stem."""
    specs = [ClassSpec("road", "#804080"), ClassSpec("sky", "#808080"), ClassSpec("Bäume", "#808000")]
    made = projects.create_project(workspace, "streets", specs, "anna")
    maps = np.random.default_rng(0).integers(0, 3, (4, 6, 9), np.uint8)
    maps[0, 0, :4] = [254, 254, 255, 255]
    for name, label_map in zip(["a/1.png", "b/1.png", "図.jpg", "x/2.png"], maps, strict=True):
        add(workspace, made, name, label_map, "audit" if name == "x/2.png" else "pool")
    return made


def test_a_folder_holds_maps_classes_and_manifest(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    add(workspace, project, "unlabelled.png", np.full((3, 3), 254, np.uint8))
    target = tmp_path / "out"
    result = export_project(workspace, project.id, target, include_images=True)
    assert result.report() == [f"4 label maps and 5 images written to {target}."]
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {
        "classes.json",
        "manifest.json",
        "label_maps/train/a_1.png",
        "label_maps/train/b_1.png",
        "label_maps/train/図.png",
        "label_maps/audit/2.png",
        "images/train/a_1.png",
        "images/train/b_1.png",
        "images/train/図.png",
        "images/audit/2.png",
        "images/pool/unlabelled.png",
    }
    manifest = json.loads((target / "manifest.json").read_text())
    assert (manifest["tool"], manifest["version"]) == ("Qualm", "0.1.0")
    assert manifest["values"] == {"void": 255, "not_labelled": 255}
    assert [row["name"] for row in manifest["classes"]] == ["road", "sky", "Bäume"]
    row = next(row for row in manifest["images"] if row["name"] == "a/1.png")
    data = (target / row["label_map"]).read_bytes()
    assert row["label_map_sha256"] == hashlib.sha256(data).hexdigest()
    assert row["image_sha256"] == hashlib.sha256((target / row["image"]).read_bytes()).hexdigest()
    assert (row["revision"], row["status"], row["author"]) == (1, "submitted", "anna")
    assert (row["seconds_spent"], row["round_shown"], row["split"]) == (12.5, None, "train")
    assert "label_map" not in next(row for row in manifest["images"] if row["name"] == "unlabelled.png")

    png = Image.open(io.BytesIO(data))
    assert png.mode == "P"
    assert data[24] == 8
    assert png.getpalette()[:9] == [128, 64, 128, 128, 128, 128, 128, 128, 0]
    assert np.asarray(png)[0, :4].tolist() == [255] * 4


def test_pixels_not_labelled_can_be_kept_apart(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    export_project(workspace, project.id, tmp_path / "out", not_labelled_as=254)
    first = np.asarray(Image.open(tmp_path / "out/label_maps/train/a_1.png"))
    assert first[0, :4].tolist() == [254, 254, 255, 255]
    with pytest.raises(InvalidInput, match="254 or 255"):
        export_project(workspace, project.id, tmp_path / "other", not_labelled_as=0)


def test_the_same_project_gives_the_same_bytes(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        export_project(workspace, project.id, tmp_path / f"{name}.zip", include_images=True)
        export_project(workspace, project.id, tmp_path / name, include_images=True)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for name in names:
            assert archive.read(name) == (tmp_path / "two" / name).read_bytes()


def test_nothing_is_ever_overwritten(workspace: Workspace, project: ProjectInfo, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "old.zip").write_text("keep")
    for name in ("full", "old.zip"):
        with pytest.raises(InvalidInput, match="never overwrites"):
            export_project(workspace, project.id, tmp_path / name)
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert (tmp_path / "old.zip").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    export_project(workspace, project.id, tmp_path / "empty")
    assert (tmp_path / "empty" / "manifest.json").is_file()


def test_a_link_to_an_empty_folder_is_followed(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk")
    result = export_project(workspace, project.id, link)
    assert result.path == tmp_path / "disk"
    assert link.is_symlink()
    assert (link / "manifest.json").is_file()
    with pytest.raises(InvalidInput, match=r"disk exists already, and an export never overwrites"):
        export_project(workspace, project.id, link)


def test_where_a_disk_begins_is_refused_before_the_work(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "disk")
    done: list[int] = []
    with pytest.raises(InvalidInput, match=r"disk is where a disk begins.*Name a new folder in it"):
        export_project(workspace, project.id, tmp_path / "disk", progress=lambda n, of, name: done.append(n))
    assert done == []
    export_project(workspace, project.id, tmp_path / "disk" / "new")


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_place_among_the_files_of_the_workspace_is_refused(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link").symlink_to(workspace.path / "blobs")
    for place in (
        workspace.path,
        workspace.path / "blobs",
        workspace.path / "blobs" / "new",
        tmp_path / "link",
    ):
        with pytest.raises(InvalidInput, match=r"lies in the workspace.*Choose a place outside"):
            export_project(workspace, project.id, place / name)
        assert not (place / name).exists()
    assert not (workspace.path / "blobs" / "new").exists()
    place = workspace.path / "exports" / name
    assert export_project(workspace, project.id, place).path == place


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_the_disk_has_an_export_and_its_name_once_it_is_done(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    waited: list[set[str]] = []
    fsync = export_target.fsync_folder
    monkeypatch.setattr(
        export_target,
        "fsync_folder",
        lambda folder: fsync(folder) or waited.append({path.name for path in folder.iterdir()}),
    )
    export_project(workspace, project.id, tmp_path / "disk" / name)
    assert waited.pop() == {name}
    # Under its own name only when the disk has all that is in it.
    of_folders = [{"audit", "train"}, {"classes.json", "label_maps", "manifest.json"}]
    assert [names for names in of_folders if names in waited] == (of_folders if name == "out" else [])


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_failed_export_leaves_nothing(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "exports" / name
    with monkeypatch.context() as patch:
        patch.setattr(export_target.os, "fsync", full)
        with pytest.raises(DiskFull):
            export_project(workspace, project.id, target)
    assert list(target.parent.iterdir()) == []

    def stop(done: int, of: int, image: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_project(workspace, project.id, target, progress=stop)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_what_a_killed_export_left_goes_with_the_next(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, name: str
) -> None:
    downloads = workspace.path / "exports" / str(project.id)
    target = tmp_path / "disk" / name
    for folder in (downloads, target.parent):
        killed_while_writing(folder)
    export_project(workspace, project.id, target)
    assert [path.name for path in target.parent.iterdir()] == [name]
    assert list(downloads.iterdir()) == []


def test_an_export_is_done_even_if_the_journal_cannot_be_written(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull("the workspace")

    monkeypatch.setattr(exporting.events, "record", full)
    result = export_project(workspace, project.id, tmp_path / "out.zip")
    assert result.label_maps == 4
    assert result.path.is_file()


def test_a_place_that_cannot_be_written_is_named(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="file"):
        export_project(workspace, project.id, tmp_path / "file" / "out")


def test_an_export_without_labels_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    made = projects.create_project(workspace, "new", [ClassSpec("a")], "anna")
    with pytest.raises(InvalidInput, match="labelled yet"):
        export_project(workspace, made.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_lost_is_left_out_by_name_and_the_rest_is_exported(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    damaged, gone, no_picture, _ = images.list_images(workspace, project.id)
    Path(workspace.blobs.place(labels.history(workspace, damaged.id)[0].blob)).write_bytes(b"no PNG")
    Path(workspace.blobs.place(labels.history(workspace, gone.id)[0].blob)).unlink()
    Path(workspace.blobs.place(no_picture.blob)).unlink()
    result = export_project(workspace, project.id, tmp_path / "out", include_images=True)
    assert (result.label_maps, result.images) == (2, 3)
    first, *others = result.report()
    assert first == f"2 label maps and 3 images written to {tmp_path / 'out'}."
    assert sorted(sentence.split(" is left out. The ")[0] for sentence in others) == [
        f"Revision 1 of the label map of {damaged.name}",
        f"Revision 1 of the label map of {gone.name}",
        f"The image {no_picture.name}",
    ]
    assert not any("BytesIO" in sentence for sentence in others)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["left_out"] == others
    row = next(row for row in manifest["images"] if row["name"] == damaged.name)
    assert row.keys() >= {"image"}
    assert "label_map" not in row
    export_project(workspace, project.id, tmp_path / "alone")
    rows = json.loads((tmp_path / "alone/manifest.json").read_text())["images"]
    assert all("label_map" in row for row in rows), "of a label map that is lost nothing else was asked for"


def test_what_was_submitted_stands_in_for_a_draft_that_is_lost(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    info = images.list_images(workspace, project.id)[0]
    submitted, revision = labels.read(workspace, info.id)
    labels.save(workspace, info.id, np.full_like(submitted, 2), expected_revision=revision, author="ben")
    Path(workspace.blobs.place(labels.history(workspace, info.id)[0].blob)).unlink()
    result = export_project(workspace, project.id, tmp_path / "out", drafts=True, not_labelled_as=254)
    assert (result.label_maps, result.drafts, len(result.lost)) == (4, 0, 1)
    with Image.open(tmp_path / "out/label_maps/train/a_1.png") as written:
        assert np.array_equal(written, submitted)


def test_an_export_of_which_nothing_can_be_read_is_refused(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    shutil.rmtree(workspace.path / "blobs")
    with pytest.raises(WorkspaceError, match=r"Not one label map of streets can be read.*\.png.*missing"):
        export_project(workspace, project.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_drafts_are_exported_when_they_are_asked_for(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    info = images.list_images(workspace, project.id)[0]
    submitted, revision = labels.read(workspace, info.id)
    draft = np.full_like(submitted, 2)
    labels.save(workspace, info.id, draft, expected_revision=revision, author="ben", seconds_spent=2)
    found = {}
    for drafts in (False, True):
        out = tmp_path / f"out-{drafts}"
        result = export_project(workspace, project.id, out, drafts=drafts, not_labelled_as=254)
        assert (result.drafts, result.drafts_left_out) == ((1, 0) if drafts else (0, 1))
        assert ("1 of them is a draft; the manifest says which." in result.report()) == drafts
        rows = json.loads((out / "manifest.json").read_text())["images"]
        row = next(row for row in rows if row["name"] == info.name)
        found[drafts] = row["status"], row["author"], row["seconds_spent"]
        with Image.open(out / row["label_map"]) as written:
            assert np.array_equal(written, draft if drafts else submitted)
    assert found == {False: ("submitted", "anna", 12.5), True: ("draft", "ben", 14.5)}


def test_a_draft_that_was_emptied_is_no_label_map(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    label_map = np.full((4, 6), 254, np.uint8)
    image_id = add(workspace, project, "emptied.png", label_map)
    for value, revision in ((1, 0), (254, 1)):
        label_map[:] = value
        labels.save(workspace, image_id, label_map, expected_revision=revision, author="ben", seconds_spent=2)
    before = export_project(workspace, project.id, tmp_path / "submitted")
    assert before.drafts_left_out == 0
    drafts = export_project(workspace, project.id, tmp_path / "drafts", drafts=True)
    assert drafts.label_maps == before.label_maps


def test_a_project_of_drafts_alone_is_told_how_to_export_them(workspace: Workspace, tmp_path: Path) -> None:
    project = projects.create_project(workspace, "drafts", [ClassSpec("road")], "ben")
    add(workspace, project, "one.png", np.zeros((4, 6), np.uint8), status="draft")
    with pytest.raises(InvalidInput, match=r"Nobody has submitted a label map of drafts yet.*--drafts"):
        export_project(workspace, project.id, tmp_path / "out")
    assert export_project(workspace, project.id, tmp_path / "out", drafts=True).drafts == 1


@pytest.mark.parametrize("path", ["~nobody.of.this.name/out", "nul\0", "n" * 300])
def test_what_is_no_path_is_refused_in_a_sentence(
    workspace: Workspace, project: ProjectInfo, path: str
) -> None:
    with pytest.raises(InvalidInput, match="is no path that can be opened"):
        export_project(workspace, project.id, path)
    with pytest.raises(InvalidInput, match="is no path that can be opened"):
        plan_import(path)


names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\x00", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=200,
).filter(lambda name: not name.startswith(".") and name.strip(" ."))
shapes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)
label_maps = shapes.flatmap(
    lambda shape: arrays.arrays(
        np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 254, 255]), fill=st.sampled_from([0, 255])
    )
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    entries=st.lists(
        st.tuples(
            names,
            label_maps,
            st.sampled_from(("pool", "audit", "excluded")),
            st.sampled_from(("submitted", "draft", "draft over it")),
        ),
        min_size=1,
        max_size=4,
    ),
    as_zip=st.booleans(),
)
def test_what_is_exported_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, np.ndarray, str, str]], as_zip: bool
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    workspace = open_workspace(folder / "workspace")
    try:
        specs = [
            ClassSpec("a", "#ff0000"),
            ClassSpec("b", "#ff0000"),
            ClassSpec("ç"),
            ClassSpec("d", "#000000"),
        ]
        source = projects.create_project(workspace, "source", specs, "anna")
        projects.update_classes(workspace, source.id, {2: ClassChange(archived=True)}, "anna")
        expected = []
        for number, (name, label_map, split, status) in enumerate(entries):
            if (label_map == 254).all():
                label_map = np.zeros_like(label_map)
            first = "submitted" if status == "draft over it" else status
            image_id = add(workspace, source, f"{number}/{name}.png", label_map, split, status=first)
            if status == "draft over it":
                label_map = np.where(label_map == 254, 2, label_map).astype(np.uint8)
                labels.save(workspace, image_id, label_map, expected_revision=1, author="ben")
            expected.append(label_map)
        target = folder / ("out.zip" if as_zip else "out")
        export_project(workspace, source.id, target, include_images=True, drafts=True, not_labelled_as=254)

        plan = plan_import(target)
        assert plan.problems == ()
        assert plan.unknown_codes == ()
        assert [spec.name for spec in plan.classes] == ["a", "b", "ç", "d"]
        copy = projects.create_project(workspace, "copy", plan.classes, "anna")
        assert projects.classes(workspace, copy.id) == projects.classes(workspace, source.id)
        result = run_import(workspace, copy.id, plan, "anna")
        before = {info.blob: info for info in images.list_images(workspace, source.id)}
        after = images.list_images(workspace, copy.id)
        assert len(after) == len(before)
        assert result.labelled + result.drafts == sum(info.revision for info in after)
        for info in after:
            original = before[info.blob]
            label_map, _ = labels.read(workspace, info.id)
            np.testing.assert_array_equal(label_map, expected[int(original.name.split("/")[0])])
            assert info.name == original.name
            assert (info.split, info.draft_by) == (original.split, original.draft_by)
            assert (info.revision, info.labelled_revision) == (original.revision, original.labelled_revision)
            assert info.truth_blob is None
    finally:
        workspace.close()


@pytest.mark.parametrize("include_images", [False, True])
@pytest.mark.parametrize("left_out", [None, "submitted", "label_maps"])
def test_a_draft_comes_back_on_top_of_what_was_submitted(
    workspace: Workspace, tmp_path: Path, include_images: bool, left_out: str | None
) -> None:
    specs = [ClassSpec("road"), ClassSpec("sky"), ClassSpec("tree")]
    source, copy = (projects.create_project(workspace, name, specs, "anna") for name in ("one", "two"))
    submitted, draft = np.zeros((4, 6), np.uint8), np.full((4, 6), 2, np.uint8)
    draft[0] = 254
    image_id = add(workspace, source, "a.png", submitted)
    labels.save(workspace, image_id, draft, expected_revision=1, author="ben", seconds_spent=2, blind=True)
    out = tmp_path / "out"
    export_project(workspace, source.id, out, include_images=include_images, drafts=True, not_labelled_as=254)
    (row,) = json.loads((out / "manifest.json").read_text())["images"]
    assert (row["label_map"], row["status"], row["author"]) == ("label_maps/train/a.png", "draft", "ben")
    below = row["submitted"]
    assert (below["label_map"], below["status"], below["author"], below["seconds_spent"]) == (
        "submitted/train/a.png",
        "submitted",
        "anna",
        12.5,
    )
    data = (out / below["label_map"]).read_bytes()
    assert below["label_map_sha256"] == hashlib.sha256(data).hexdigest()

    if not include_images:
        add(workspace, copy, "a.png", np.full((4, 6), 254, np.uint8))
    if left_out is not None:
        shutil.rmtree(out / left_out)
    plan = plan_import(out, workspace=workspace, project_id=copy.id)
    said = "The label map that manifest.json names, label_maps/train/a.png, is not there."
    assert all(said in problem.sentence for problem in plan.problems)
    result = run_import(workspace, copy.id, plan, "anna")
    (info,) = images.list_images(workspace, copy.id)
    found = [(one.author, one.status, one.blind) for one in labels.history(workspace, info.id)]
    whose = [("ben", "draft", True), ("anna", "submitted", False)]
    assert found == {None: whose, "submitted": whose[:1], "label_maps": whose[1:]}[left_out]
    assert (result.labelled, result.drafts) == (left_out != "submitted", left_out != "label_maps")
    newest, _ = labels.read(workspace, info.id)
    np.testing.assert_array_equal(newest, submitted if left_out == "label_maps" else draft)
    if left_out is None:
        assert (info.split, info.labelled_revision, info.draft_by) == ("train", 1, "ben")
        np.testing.assert_array_equal(labels.read(workspace, info.id, 1)[0], submitted)
        assert [line for line in plan.report() if "mask used" in line] == [
            "1 mask used as submitted labels.",
            "1 mask used as drafts, which nobody has submitted.",
        ]
    again = plan_import(out, workspace=workspace, project_id=copy.id)
    assert again.changes == ()
    if left_out is None and include_images:
        smaller = projects.create_project(workspace, "three", specs[:2], "anna")
        (unknown,) = plan_import(out, workspace=workspace, project_id=smaller.id).unknown_codes
        assert (unknown.code, unknown.count.pixels) == (2, 18)


def test_the_depth_of_an_image_survives_an_export(workspace: Workspace, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4000, (6, 9), np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "TIFF")
    files = [("a/deep.TIF", buffer.getvalue())]
    ours = with_labels(workspace, "ours", files, labelled=True)
    (before,) = images.list_images(workspace, ours)
    assert before.source is not None
    out = tmp_path / "out"
    export_project(workspace, ours, out, include_images=True)
    (row,) = json.loads((out / "manifest.json").read_text())["images"]
    assert (row["image"], row["source"]) == ("images/train/deep.png", "sources/train/deep.tif")
    assert (out / row["source"]).read_bytes() == files[0][1]

    plan = plan_import(out)
    assert (plan.problems, plan.duplicates) == ((), ())
    hers = projects.create_project(workspace, "hers", plan.classes, "anna").id
    run_import(workspace, hers, plan, "anna")
    (after,) = images.list_images(workspace, hers)
    assert (after.name, after.source, after.blob) == (before.name, before.source, before.blob)
    assert (after.split, after.labelled_revision) == ("train", 1)
    for source in (files, out):
        again = plan_import(source, workspace=workspace, project_id=hers)
        assert (again.new_images, again.changes, again.problems) == (0, (), ())
    # Without it the picture comes, and without the picture it does.
    for gone, path in (("sources", row["image"]), ("images", row["source"])):
        shutil.copytree(out, tmp_path / gone)
        shutil.rmtree(tmp_path / gone / gone)
        plan = plan_import(tmp_path / gone)
        assert [(entry.path, entry.name, entry.mask_becomes) for entry in plan.entries] == [
            (path, "a/deep.TIF", "label")
        ]
    export_project(workspace, ours, tmp_path / "maps")
    assert not (tmp_path / "maps/sources").exists()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_draft_comes_to_the_label_that_an_earlier_import_brought(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """Its export had no drafts, or it was stopped between the two."""
    source, copy = (projects.create_project(workspace, name, [ClassSpec("a")], "anna") for name in "sc")
    image_id = add(workspace, source, "a.png", np.zeros((4, 6), np.uint8))
    export_project(workspace, source.id, tmp_path / "first", include_images=True)
    draft = np.full((4, 6), 254, np.uint8)
    draft[1] = 0
    labels.save(workspace, image_id, draft, expected_revision=1, author="ben")
    out = tmp_path / "second"
    export_project(workspace, source.id, out, include_images=True, drafts=True, not_labelled_as=254)

    def history() -> list[tuple[str, str]]:
        (info,) = images.list_images(workspace, copy.id)
        return [(one.author, one.status) for one in labels.history(workspace, info.id)]

    if stopped:
        with monkeypatch.context() as patch:
            real = labels.save

            def killed(*arguments: Any, author: str, **named: Any) -> labels.LabelInfo:
                if author == "ben":
                    raise KeyboardInterrupt
                return real(*arguments, author=author, **named)

            patch.setattr(labels, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                run_import(workspace, copy.id, plan_import(out, workspace=workspace, project_id=copy.id), "u")
    else:
        run_import(workspace, copy.id, plan_import(tmp_path / "first"), "u")
    assert history() == [("anna", "submitted")]

    plan = plan_import(out, workspace=workspace, project_id=copy.id)
    assert "1 mask used as drafts, which nobody has submitted." in plan.report()
    result = run_import(workspace, copy.id, plan, "u")
    assert (result.drafts, result.problems) == (1, ())
    assert history() == [("ben", "draft"), ("anna", "submitted")]
    (info,) = images.list_images(workspace, copy.id)
    assert (info.split, info.labelled_revision, info.draft_by) == ("train", 1, "ben")
    np.testing.assert_array_equal(labels.read(workspace, info.id)[0], draft)
    assert plan_import(out, workspace=workspace, project_id=copy.id).changes == ()


@pytest.mark.parametrize("status", ["draft", "submitted"])
def test_a_draft_does_not_go_over_what_was_painted_since(
    workspace: Workspace, tmp_path: Path, status: str
) -> None:
    source, copy = (projects.create_project(workspace, name, [ClassSpec("a")], "anna") for name in "sc")
    image_id = add(workspace, source, "a.png", np.zeros((4, 6), np.uint8))
    export_project(workspace, source.id, tmp_path / "first", include_images=True)
    run_import(workspace, copy.id, plan_import(tmp_path / "first"), "u")
    draft = np.full((4, 6), 254, np.uint8)
    draft[1] = 0
    labels.save(workspace, image_id, draft, expected_revision=1, author="ben")
    out = tmp_path / "second"
    export_project(workspace, source.id, out, include_images=True, drafts=True, not_labelled_as=254)
    begun = plan_import(out, workspace=workspace, project_id=copy.id)
    (info,) = images.list_images(workspace, copy.id)
    labels.save(workspace, info.id, draft, expected_revision=1, author="cleo", status=status)
    plan = plan_import(out, workspace=workspace, project_id=copy.id)
    assert (plan.changes, [mask.path for mask in plan.left_out]) == ((), ["label_maps/train/a.png"])
    (problem,) = run_import(workspace, copy.id, begun, "u").problems
    assert problem.sentence.startswith("cleo")
    assert [one.author for one in labels.history(workspace, info.id)] == ["cleo", "anna"]


@pytest.mark.parametrize("not_labelled_as", [254, 255])
def test_an_export_brings_its_own_project_nothing(
    workspace: Workspace, tmp_path: Path, not_labelled_as: int
) -> None:
    """By default void stands for what was not labelled, which is no other label."""
    project = projects.create_project(workspace, "s", [ClassSpec("a"), ClassSpec("b")], "anna")
    part = np.full((4, 6), 254, np.uint8)
    part[1], part[2], part[3, 0] = 0, 1, 255
    add(workspace, project, "a.png", part)
    out = tmp_path / "out"
    export_project(workspace, project.id, out, include_images=True, not_labelled_as=not_labelled_as)
    plan = plan_import(out, workspace=workspace, project_id=project.id)
    assert (plan.changes, plan.left_out) == ((), ())


def test_a_draft_that_was_taken_back_comes_again(workspace: Workspace, tmp_path: Path) -> None:
    source, copy = (projects.create_project(workspace, name, [ClassSpec("a")], "anna") for name in "sc")
    add(workspace, source, "a.png", np.zeros((4, 6), np.uint8), status="draft")
    out = tmp_path / "out"
    export_project(workspace, source.id, out, include_images=True, drafts=True, not_labelled_as=254)
    run_import(workspace, copy.id, plan_import(out), "u")
    (info,) = images.list_images(workspace, copy.id)
    empty = np.full((4, 6), 254, np.uint8)
    labels.save(workspace, info.id, empty, expected_revision=1, author=str(info.draft_by))
    result = run_import(workspace, copy.id, plan_import(out, workspace=workspace, project_id=copy.id), "u")
    assert (result.drafts, result.problems) == (1, ())
    np.testing.assert_array_equal(labels.read(workspace, info.id)[0], np.zeros((4, 6), np.uint8))


def test_an_export_without_its_manifest_brings_no_file_twice(workspace: Workspace, tmp_path: Path) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("a")], "anna")
    image_id = add(workspace, project, "a.png", np.zeros((4, 6), np.uint8))
    labels.save(workspace, image_id, np.zeros((4, 6), np.uint8), expected_revision=1, author="ben")
    out = tmp_path / "in" / "out"
    export_project(workspace, project.id, out, include_images=True, drafts=True)
    assert (out / "submitted" / "train" / "a.png").exists()
    (out / "sources" / "train").mkdir(parents=True)
    shutil.copy(out / "images" / "train" / "a.png", out / "sources" / "train" / "a.tif")
    (out / "manifest.json").unlink()
    for folder in (out, out.parent):
        plan = plan_import(folder)
        assert [entry.name.removeprefix("out/") for entry in plan.entries] == ["images/train/a.png"]
        assert plan.problems == ()


@pytest.mark.parametrize("name", [None, 5, "", ".", "/", "\ud800.png", "a\0.png", "x" * 1025])
def test_a_name_that_is_none_falls_back_to_the_path(
    workspace: Workspace, tmp_path: Path, name: object
) -> None:
    source, copy = (projects.create_project(workspace, name, [ClassSpec("a")], "anna") for name in "sc")
    add(workspace, source, "a.png", np.zeros((4, 6), np.uint8))
    out = tmp_path / "out"
    export_project(workspace, source.id, out, include_images=True)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["images"][0]["name"] = name
    (out / "manifest.json").write_text(json.dumps(manifest))
    result = run_import(workspace, copy.id, plan_import(out), "u")
    assert result.problems == ()
    (info,) = images.list_images(workspace, copy.id)
    assert info.name == "images/train/a.png"


@pytest.mark.parametrize("include_images", [False, True])
def test_what_measures_the_model_measures_it_after_a_round_trip(
    workspace: Workspace, tmp_path: Path, include_images: bool
) -> None:
    source, copy = (projects.create_project(workspace, name, [ClassSpec("a")], "anna") for name in "sc")
    labelled, blank = np.zeros((4, 6), np.uint8), np.full((4, 6), 254, np.uint8)
    add(workspace, source, "drawn.png", blank, "audit")
    taken_out = add(workspace, source, "taken out.png", labelled, "audit")
    images.set_split(workspace, [taken_out], "excluded", "anna")
    add(workspace, source, "never in.png", labelled, "excluded")
    export_project(workspace, source.id, tmp_path / "out", include_images=include_images)
    if not include_images:
        for name in ("taken out.png", "never in.png"):
            add(workspace, copy, name, blank)
    plan = plan_import(tmp_path / "out", workspace=workspace, project_id=copy.id)
    run_import(workspace, copy.id, plan, "ben")
    found = {info.name: info for info in images.list_images(workspace, copy.id)}
    if include_images:
        assert found["drawn.png"].split == "audit"
    assert {
        name: (found[name].split, found[name].is_audit) for name in ("taken out.png", "never in.png")
    } == {
        "taken out.png": ("excluded", True),
        "never in.png": ("excluded", False),
    }
    images.bring_back(workspace, [info.id for info in found.values()], "ben")
    split = {info.name: info.split for info in images.list_images(workspace, copy.id)}
    assert (split["taken out.png"], split["never in.png"]) == ("audit", "train")


def test_what_goes_by_names_goes_on_after_a_round_trip(workspace: Workspace, tmp_path: Path) -> None:
    source = projects.create_project(workspace, "source", [ClassSpec("road"), ClassSpec("sky")], "anna")
    road, blank = np.zeros((4, 6), np.uint8), np.full((4, 6), 254, np.uint8)
    for drive in (1, 2):
        # Their splits are folders of an export, so that by its paths the next would come before.
        add(workspace, source, f"drive{drive}/9.png", road, group=f"drive {drive}")
        add(workspace, source, f"drive{drive}/10.png", blank, group=f"drive {drive}")
    export_project(workspace, source.id, tmp_path / "out.zip", include_images=True)
    copy = projects.create_project(workspace, "copy", [ClassSpec("road"), ClassSpec("sky")], "ben")
    run_import(workspace, copy.id, plan_import(tmp_path / "out.zip"), "ben")

    found = {info.name: info for info in images.list_images(workspace, copy.id)}
    assert found.keys() == {"drive1/9.png", "drive1/10.png", "drive2/9.png", "drive2/10.png"}
    label_map, before = labels.previous_of_group(workspace, found["drive2/10.png"].id)
    np.testing.assert_array_equal(label_map, road)
    assert before.name == "drive2/9.png"

    # Masks that come later find theirs by folder.
    (tmp_path / "masks" / "drive2").mkdir(parents=True)
    Image.fromarray(road + 1).save(tmp_path / "masks/drive2/10.png")
    plan = plan_import(tmp_path / "masks", workspace=workspace, project_id=copy.id)
    assert [entry.name for entry in plan.changes] == ["drive2/10.png"]
    # The manifest of an export without images knows them, too.
    export_project(workspace, copy.id, tmp_path / "maps")
    again = plan_import(tmp_path / "maps", workspace=workspace, project_id=copy.id)
    assert {entry.name for entry in again.entries} == {"drive1/9.png", "drive2/9.png"}


def test_a_class_that_is_called_void_comes_back_as_a_class(workspace: Workspace, tmp_path: Path) -> None:
    specs = [ClassSpec("Ignore"), ClassSpec("road"), ClassSpec("void")]
    source = projects.create_project(workspace, "source", specs, "anna")
    label_map = np.array([[0, 1, 2], [254, 255, 2]], np.uint8)
    add(workspace, source, "a.png", label_map)
    export_project(workspace, source.id, tmp_path / "out", include_images=True, not_labelled_as=254)

    plan = plan_import(tmp_path / "out")
    assert [spec.name for spec in plan.classes] == ["Ignore", "road", "void"]
    copy = projects.create_project(workspace, "copy", plan.classes, "anna")
    run_import(workspace, copy.id, plan, "anna")
    (info,) = images.list_images(workspace, copy.id)
    np.testing.assert_array_equal(labels.read(workspace, info.id)[0], label_map)


def test_names_that_windows_keeps_for_devices_are_written_otherwise(
    workspace: Workspace, tmp_path: Path
) -> None:
    project = projects.create_project(workspace, "devices", [ClassSpec("a")], "anna")
    written = {
        "aux.jpg": "aux_",
        "x/AUX_.png": None,
        "Con.png": "Con_",
        "nul.v2.tif": "nul_.v2",
        "lpt1 .png": "lpt1_",
        "COM².png": "COM²_",
        "com.png": "com",
        "auxiliary.png": "auxiliary",
        "my aux.png": "my aux",
    }
    for name in written:
        add(workspace, project, name, np.zeros((2, 3), np.uint8))
    export_project(workspace, project.id, tmp_path / "out", include_images=True)
    rows = json.loads((tmp_path / "out" / "manifest.json").read_text())["images"]
    stems = {row["name"]: Path(row["label_map"]).stem for row in rows}
    assert {name: stem for name, stem in stems.items() if written[name]} == {
        name: stem for name, stem in written.items() if stem
    }
    assert len({stem.casefold() for stem in stems.values()}) == len(written)
    assert plan_import(tmp_path / "out").problems == ()


def test_the_manifest_tells_images_named_like_masks_apart_and_keeps_groups(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = projects.create_project(workspace, "source", [ClassSpec("a")], "anna")
    unlabelled, labelled = np.full((4, 5), 254, np.uint8), np.zeros((4, 5), np.uint8)
    for stem in ("eye", "eye_L", "eye_mask"):
        add(workspace, source, f"{stem}.png", unlabelled, group="left")
    for stem in ("hand", "hand_L"):
        add(workspace, source, f"{stem}.png", labelled, group="right")
    export_project(workspace, source.id, tmp_path / "out", include_images=True)
    # Beside the folder that holds the export nothing changes what its manifest says.
    plan = plan_import(tmp_path)
    assert [problem.name for problem in plan.problems] == ["workspace"]
    found = {Path(entry.path).stem: entry for entry in plan.entries}
    assert {stem: (one.group, one.split) for stem, one in found.items()} == {
        "eye": ("left", "pool"),
        "eye_L": ("left", "pool"),
        "eye_mask": ("left", "pool"),
        "hand": ("right", "train"),
        "hand_L": ("right", "train"),
    }
    assert found["hand_L"].mask == "out/label_maps/train/hand_L.png"

    (tmp_path / "out" / "label_maps" / "train" / "hand.png").unlink()
    shutil.copy(tmp_path / "out/images/pool/eye.png", tmp_path / "out/images/pool/stranger.png")
    problems = {problem.name: problem.sentence for problem in plan_import(tmp_path).problems}
    assert "hand.png, is not there" in problems["out/images/train/hand.png"]
    assert "does not name it" in problems["out/images/pool/stranger.png"]
    without_masks = {one.name: one.sentence for one in plan_import(tmp_path, masks_as="ignore").problems}
    assert without_masks.keys() == {"workspace", "out/images/pool/stranger.png"}
    assert "does not name it" in without_masks["out/images/pool/stranger.png"]


def test_what_lies_beside_an_export_comes_in_by_its_names(workspace: Workspace, tmp_path: Path) -> None:
    def picture(number: int) -> bytes:
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), np.uint8)
        # One that is stored anew, so that the export holds it as another file.
        Image.fromarray(pixels).save(buffer, "BMP" if number == 0 else "PNG")
        return buffer.getvalue()

    photos = tmp_path / "photos"
    photos.mkdir()
    for name, number in (("a.bmp", 0), ("b.png", 1)):
        (photos / name).write_bytes(picture(number))
    ours = projects.create_project(workspace, "ours", [ClassSpec("road"), ClassSpec("sky")], "anna")
    run_import(workspace, ours.id, plan_import(photos), "anna")
    info = images.list_images(workspace, ours.id)[0]
    label_map = np.zeros((6, 9), np.uint8)
    labels.save(workspace, info.id, label_map, expected_revision=0, author="anna", status="submitted")
    export_project(workspace, ours.id, photos / "out", include_images=True)
    (photos / "out/images/pool/stranger.png").write_bytes(picture(2))

    for folder, number in (("new/drive_1", 3), ("new/drive_2", 4), ("test", 5), ("listed", 6)):
        (photos / folder).mkdir(parents=True)
        (photos / folder / f"{number}.png").write_bytes(picture(number))
    # Of other classes than those of the export.
    for folder, number in (("masks/new/drive_1", 3), ("masks", 1)):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(label_map + 1).save(photos / folder / f"{number}.png")
    content = {"classes": ["sky", "road"], "splits": {"test": ["6"]}}
    (photos / "dataset.json").write_text(json.dumps(content))

    for project_id in (None, ours.id):
        plan = plan_import(photos, workspace=workspace, project_id=project_id)
        found = {(entry.path, entry.split, entry.group) for entry in plan.entries if not entry.known}
        assert {one for one in found if not one[0].startswith("out/")} == {
            ("new/drive_1/3.png", "pool", "new/drive_1"),
            ("new/drive_2/4.png", "pool", "new/drive_2"),
            ("test/5.png", "excluded", None),
            ("listed/6.png", "excluded", "listed"),
        }
        assert len(found) == (6 if project_id is None else 4)
        assert {problem.name: problem.sentence for problem in plan.problems} == {
            "out/images/pool/stranger.png": "manifest.json does not name it; it is left out.",
            "masks/new/drive_1/3.png": "Masks beside the export in out are left out (2), since "
            "the classes of the export may be others than theirs. Import them without that folder.",
        }
        assert {problem.name for problem in plan.duplicates} == {"a.bmp", "b.png"}
        assert any("come from classes.json" in note for note in plan.notes)
    other = projects.create_project(workspace, "other", plan_import(photos).classes, "ben")
    run_import(workspace, other.id, plan_import(photos), "ben")
    (labelled,) = (one for one in images.list_images(workspace, other.id) if one.revision)
    np.testing.assert_array_equal(labels.read(workspace, labelled.id)[0], label_map)


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_an_export_without_images_is_not_taken_for_photographs(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, name: str
) -> None:
    export_project(workspace, project.id, tmp_path / name)
    other = projects.create_project(workspace, "other", [ClassSpec("road")], "anna")
    for project_id in (None, other.id):
        with pytest.raises(InvalidInput, match=r"holds label maps and no images.*--images"):
            plan_import(tmp_path / name, workspace=workspace, project_id=project_id)
    with pytest.raises(InvalidInput, match="Let them become labels or hidden truth"):
        plan_import(tmp_path / name, workspace=workspace, project_id=project.id, masks_as="ignore")


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_an_export_without_images_gives_its_classes_to_a_new_project(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, name: str
) -> None:
    projects.update_classes(workspace, project.id, {1: ClassChange(archived=True)}, "anna")
    export_project(workspace, project.id, tmp_path / name)
    plan = plan_import(tmp_path / name, classes_alone=True)
    made = projects.create_project(workspace, "again", plan.classes, "ben")
    assert projects.classes(workspace, made.id) == projects.classes(workspace, project.id)


def test_label_maps_alone_come_back_to_the_images_they_are_of(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    drawn = np.tile(np.array([0, 1, 254], np.uint8), (6, 3))
    add(workspace, project, "c/1.png", drawn, status="draft")
    export_project(workspace, project.id, tmp_path / "out.zip", drafts=True, not_labelled_as=254)
    other = projects.create_project(
        workspace, "again", [ClassSpec(n) for n in ("road", "sky", "Bäume")], "ben"
    )
    blank = np.full((6, 9), 254, np.uint8)
    # One image is not there, and others have the same stem.
    for name in ("a/1.png", "b/1.png", "c/1.png", "図.jpg"):
        add(workspace, other, name, blank)
    plan = plan_import(tmp_path / "out.zip", workspace=workspace, project_id=other.id)
    assert [problem.sentence for problem in plan.problems] == [
        "No image of the project has the name of this mask."
    ]
    assert run_import(workspace, other.id, plan, "ben").labelled == 3
    before = {info.name: info.id for info in images.list_images(workspace, project.id)}
    for info in images.list_images(workspace, other.id):
        newest = labels.history(workspace, info.id)[0]
        assert newest.status == ("draft" if info.name == "c/1.png" else "submitted")
        np.testing.assert_array_equal(
            labels.read(workspace, info.id)[0], labels.read(workspace, before[info.name])[0]
        )
    assert plan_import(tmp_path / "out.zip", workspace=workspace, project_id=other.id).changes == ()


def converted_files() -> list[tuple[str, bytes]]:
    """Return files that are stored anew: a turned JPEG, a PNG with transparency, a BMP, a TIFF and a GIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for number, (kind, mode) in enumerate(
        [("JPEG", "RGB"), ("PNG", "RGBA"), ("BMP", "RGB"), ("TIFF", "RGB"), ("GIF", "P")]
    ):
        pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), np.uint8)
        buffer = io.BytesIO()
        image = Image.fromarray(pixels).convert(mode)
        image.save(buffer, kind, **({"exif": exif} if kind == "JPEG" else {}))
        files.append((f"{number}.{kind.lower()}", buffer.getvalue()))
    return files


def with_labels(workspace: Workspace, name: str, files: list[tuple[str, bytes]], labelled: bool) -> int:
    """Make a project of files, with a label of each if asked for."""
    made = projects.create_project(workspace, name, [ClassSpec("road")], "anna")
    run_import(workspace, made.id, plan_import(files), "anna")
    for info in images.list_images(workspace, made.id) if labelled else ():
        label_map = np.zeros((info.height, info.width), np.uint8)
        labels.save(workspace, info.id, label_map, expected_revision=0, author="anna", status="submitted")
    return made.id


@pytest.mark.parametrize("include_images", [False, True])
def test_images_that_are_stored_anew_are_known_when_an_export_brings_them_back(
    workspace: Workspace, tmp_path: Path, include_images: bool
) -> None:
    originals = converted_files()
    ours = with_labels(workspace, "ours", originals, labelled=True)
    export_project(workspace, ours, tmp_path / "out", include_images=include_images)
    plan = plan_import(tmp_path / "out", workspace=workspace, project_id=ours)
    assert (plan.new_images, plan.changes, plan.problems, plan.duplicates) == (0, (), (), ())

    # Of a colleague with the same files, and of one who had them from our export.
    hers = with_labels(workspace, "hers", originals, labelled=False)
    export_project(workspace, ours, tmp_path / "whole", include_images=True)
    exported = [(path.name, path.read_bytes()) for path in sorted((tmp_path / "whole/images").rglob("*.*"))]
    his = with_labels(workspace, "his", exported, labelled=False)
    for project_id in (hers, his):
        plan = plan_import(tmp_path / "out", workspace=workspace, project_id=project_id)
        assert (plan.new_images, len(plan.changes), plan.problems) == (0, len(originals), ())
        assert not any("other files" in note for note in plan.notes)
        result = run_import(workspace, project_id, plan, "ben")
        assert (result.imported, result.labelled) == (0, len(originals))
    export_project(workspace, his, tmp_path / "back")
    fresh = with_labels(workspace, "fresh", originals, labelled=False)
    plan = plan_import(tmp_path / "back", workspace=workspace, project_id=fresh)
    assert len(plan.changes) == len(originals)


@pytest.mark.parametrize("include_images", [False, True])
def test_label_maps_find_their_images_beside_others(
    workspace: Workspace, tmp_path: Path, include_images: bool
) -> None:
    specs = [ClassSpec(f"class {index}") for index in range(90)]
    project = projects.create_project(workspace, "many", specs, "anna")
    # More values than a picture has that is taken for a mask by its values.
    many = np.arange(9 * 10, dtype=np.uint8).reshape(9, 10)
    add(workspace, project, "a.png", many)
    add(workspace, project, "b.png", many, status="draft")
    out = tmp_path / "out"
    export_project(workspace, project.id, out, drafts=True, include_images=include_images)
    other = projects.create_project(workspace, "again", specs, "ben")
    for name in ("a.png", "b.png"):
        add(workspace, other, name, np.full_like(many, 254))
    if include_images:
        (out / "images/pool/b.png").unlink()
    else:
        Image.new("RGB", (10, 9)).save(out / "new.jpg")
    plan = plan_import(out, workspace=workspace, project_id=other.id)
    assert plan.problems == ()
    assert plan.new_images == (0 if include_images else 1)
    assert {entry.mask: entry.mask_becomes for entry in plan.changes if entry.mask} == {
        "label_maps/train/a.png": "label",
        "label_maps/pool/b.png": "draft",
    }
    (said,) = [note for note in plan.notes if "without images" in note]
    assert said.endswith("for images that the project has, as manifest.json says.")


@pytest.mark.parametrize("not_labelled_as", [254, 255])
def test_who_labelled_and_how_much_survives_an_export_or_is_said_not_to(
    workspace: Workspace, tmp_path: Path, not_labelled_as: int
) -> None:
    source = projects.create_project(workspace, "source", [ClassSpec("road")], "anna")
    partly, whole = np.array([[0, 0, 254], [0, 254, 254]], np.uint8), np.zeros((2, 3), np.uint8)
    add(workspace, source, "partly.png", partly)
    blind = add(workspace, source, "whole.png", whole)
    labels.save(workspace, blind, whole, expected_revision=1, author="ben", status="submitted", blind=True)
    out = tmp_path / "out"
    export_project(workspace, source.id, out, include_images=True, not_labelled_as=not_labelled_as)
    plan = plan_import(out)
    said = [note for note in plan.notes if "--not-labelled-apart" in note]
    assert len(said) == (not_labelled_as == 255)
    for note in said:
        assert note.startswith("Of 1 label map, such as label_maps/train/partly.png, a part was not labelled")
    copy = projects.create_project(workspace, "copy", plan.classes, "cleo")
    run_import(workspace, copy.id, plan, "cleo")
    newest = [labels.history(workspace, info.id)[0] for info in images.list_images(workspace, copy.id)]
    assert [(one.author, one.blind) for one in newest] == [("anna", False), ("ben", True)]
    again = plan_import(out, workspace=workspace, project_id=copy.id)
    assert not any("--not-labelled-apart" in note for note in again.notes)


def test_label_maps_of_other_pictures_of_the_same_names_are_pointed_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    specs = [ClassSpec("road"), ClassSpec("sky")]
    label_map = np.zeros((4, 6), np.uint8)
    one, two = (projects.create_project(workspace, name, specs, "anna") for name in ("one", "two"))
    add(workspace, one, "drive 1/0.png", label_map)
    add(workspace, two, "drive 2/0.png", np.full_like(label_map, 254))
    export_project(workspace, one.id, tmp_path / "out")
    plan = plan_import(tmp_path / "out", workspace=workspace, project_id=two.id)
    assert [entry.path for entry in plan.changes] == ["drive 2/0.png"]
    assert "by name, though manifest.json says that those were other files" in plan.notes[0]


def test_images_put_beside_the_label_maps_of_an_export_meet_them_by_name(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    export_project(workspace, project.id, tmp_path / "whole", include_images=True)
    first = images.list_images(workspace, project.id)[0]
    draft = np.ones((first.height, first.width), np.uint8)
    labels.save(workspace, first.id, draft, expected_revision=1, author="ben")
    for drafts in (False, True):
        maps = tmp_path / f"maps-{drafts}"
        export_project(workspace, project.id, maps, drafts=drafts)
        shutil.copytree(tmp_path / "whole" / "images", maps / "images")
        plan = plan_import(maps)
        found = {entry.path: entry for entry in plan.entries}
        assert (len(found), plan.problems) == (4, ())
        assert found["images/train/b_1.png"].mask == "label_maps/train/b_1.png"
        entry = found["images/train/a_1.png"]
        assert entry.mask == ("submitted/train/a_1.png" if drafts else "label_maps/train/a_1.png")
        assert (entry.draft and entry.draft.path) == ("label_maps/train/a_1.png" if drafts else None)


def test_a_manifest_that_is_damaged_is_named_and_one_of_another_tool_passed_over(
    workspace: Workspace, tmp_path: Path
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("a")], "anna")
    add(workspace, project, "one.png", np.zeros((4, 5), np.uint8))
    export_project(workspace, project.id, tmp_path / "out", include_images=True)
    manifest = tmp_path / "out" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["images"][0]["split"] = "nowhere"
    manifest.write_text(json.dumps(content))
    with pytest.raises(InvalidInput, match="damaged"):
        plan_import(tmp_path / "out")
    for other in ("[1, 2]", "no JSON", json.dumps(content | {"tool": "another"})):
        manifest.write_text(other)
        assert [entry.mask_becomes for entry in plan_import(tmp_path / "out").entries] == ["label"]
