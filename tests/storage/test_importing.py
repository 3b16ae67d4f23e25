"""Planning and running imports: what a source amounts to, bad input, and going on after a kill."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from storage import checked_images, events, images, labels, prepared_images, projects, queue
from storage.errors import DiskFull, InvalidInput, WorkspaceBusy, WorkspaceError
from storage.formats.class_list import CAMVID
from storage.formats.image_file import UprightImage, read_image
from storage.import_plan import ImportPlan, ImportResult
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ClassSpec
from storage.rendered_images import add_rendered
from storage.typed_classes import typed_classes
from storage.workspace import Workspace, open_workspace

ROOT = Path(__file__).parents[2]
SIZE = (12, 16)


def picture(seed: int, size: tuple[int, int] = SIZE, kind: str = "PNG") -> bytes:
    return encoded(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8), kind)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def index_mask(seed: int, classes: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed + 500).integers(0, classes, size, np.uint8)


def pairs(count: int, classes: int = 3) -> list[tuple[str, bytes]]:
    files = [(f"images/{i}.png", picture(i)) for i in range(count)]
    return files + [(f"masks/{i}.png", encoded(index_mask(i, classes))) for i in range(count)]


def imported(workspace: Workspace, plan: ImportPlan, name: str = "p") -> tuple[int, ImportResult]:
    project = projects.create_project(workspace, name, plan.classes or [ClassSpec("thing")], "tester")
    return project.id, run_import(workspace, project.id, plan, "tester")


def reasons(plan: ImportPlan) -> dict[str, str]:
    return {problem.name: problem.sentence for problem in plan.problems}


# Plans and what they become


@pytest.mark.parametrize(
    ("heights", "told"),
    [
        ((12,), "1 image to import, 16 × 12."),
        ((12, 12, 9), "3 images to import, in 2 sizes: 16 × 12, 16 × 9."),
        ((6, 7, 8, 9), "4 images to import, 4 sizes from 16 × 6 to 16 × 9."),
    ],
)
def test_a_plan_tells_sizes_from_the_count_of_images(
    workspace: Workspace, heights: tuple[int, ...], told: str
) -> None:
    files = [(f"{i}.png", picture(i, (height, 16))) for i, height in enumerate(heights)]
    assert plan_import(files, workspace=workspace).report()[0] == told


def test_a_plan_writes_nothing_and_says_what_will_happen(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("a")], "tester")
    plan = plan_import(pairs(4), workspace=workspace, project_id=project.id)
    assert images.list_images(workspace, project.id) == []
    assert not list((workspace.path / "blobs").rglob("*"))
    report = plan.report()
    assert report[0] == "4 images to import, 16 × 12."
    assert report[1] == "4 masks used as submitted labels."
    assert any("index 2" in line and "not labelled" in line for line in report)


def test_what_is_lost_of_pixels_is_told_once_for_each_kind_and_first() -> None:
    def tiff(values: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, photometric="minisblack", metadata={"axes": "ZYX"[-values.ndim :]})
        return buffer.getvalue()

    files = [(f"a{number}.tif", tiff(index_mask(number).astype(np.uint16) + 900)) for number in range(6)]
    files += [(f"b{number}.tif", tiff(np.stack([index_mask(number)] * 12))) for number in range(11)]
    files += [("c.png", encoded(np.full((*SIZE, 4), 9, np.uint8)))]
    files += [("d0.tif", tiff(index_mask(90).astype(np.uint16) * 7))]
    assert plan_import(files).report()[1:] == [
        "Holds 12 frames or pages; the first is taken: b0.tif and 10 more.",
        "Transparent pixels are shown black: c.png.",
        "Holds more than 8 bits; 900…902 is shown as black…white at first: a0.tif, and 6 more alike.",
    ]


def test_index_masks_become_submitted_labels(workspace: Workspace) -> None:
    plan = plan_import(pairs(5))
    assert [spec.name for spec in plan.classes] == ["class 0", "class 1", "class 2"]
    project_id, result = imported(workspace, plan)
    assert (result.imported, result.labelled, result.problems) == (5, 5, ())
    for info in images.list_images(workspace, project_id):
        assert info.split == "train"
        label_map, revision = labels.read(workspace, info.id)
        assert revision == 1
        np.testing.assert_array_equal(label_map, index_mask(int(Path(info.name).stem)))
        newest = labels.history(workspace, info.id)[0]
        assert (newest.author, newest.status, newest.blind) == ("import", "submitted", True)


def test_masks_as_truth_leave_images_unlabelled(workspace: Workspace) -> None:
    project_id, result = imported(workspace, plan_import(pairs(3), masks_as="truth"))
    assert result.labelled == 0
    info = images.list_images(workspace, project_id, "pool")[0]
    assert info.revision == 0
    np.testing.assert_array_equal(images.truth(workspace, info.id), index_mask(0))
    assert images.any_truth(workspace, project_id)


def test_masks_can_be_left_out(workspace: Workspace) -> None:
    plan = plan_import(pairs(3), masks_as="ignore")
    assert (plan.masks, plan.new_images, plan.classes, plan.problems) == (0, 3, (), ())
    project_id, _ = imported(workspace, plan)
    assert all(info.truth_blob is None for info in images.list_images(workspace, project_id, "pool"))
    assert not images.any_truth(workspace, project_id)


def test_a_colour_table_names_the_classes(workspace: Workspace) -> None:
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 0, 0], [9, 9, 9]], np.uint8)
    chosen = index_mask(1, 4)
    files = [
        ("images/a.png", picture(1)),
        ("masks/a.png", encoded(colours[chosen])),
        ("label_colors.txt", b"255 0 0 car\n0 0 255 road way\n0 0 0 void\n"),
    ]
    plan = plan_import(files)
    assert [(spec.name, spec.colour) for spec in plan.classes] == [
        ("car", "#ff0000"),
        ("road way", "#0000ff"),
    ]
    (unknown,) = plan.unknown_codes
    assert (unknown.code, unknown.count.pixels) == (0x090909, int((chosen == 3).sum()))
    project_id, _ = imported(workspace, plan)
    label_map, _ = labels.read(workspace, images.list_images(workspace, project_id)[0].id)
    np.testing.assert_array_equal(label_map, np.array([0, 1, 255, 254], np.uint8)[chosen])


def colour_pair() -> list[tuple[str, bytes]]:
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 0, 0]], np.uint8)
    return [("images/a.png", picture(1)), ("masks/a.png", encoded(colours[index_mask(1, 3)]))]


def test_classes_given_by_hand_have_the_colours_that_a_table_says(workspace: Workspace) -> None:
    table = ("label_colors.txt", b"255 0 0 Car\n0 0 255 road way\n0 0 0 void\n9 9 9 sky\n")
    plan = plan_import([*colour_pair(), table], given_classes=typed_classes("road way, car #112233"))
    assert [(one.name, one.colour) for one in plan.classes] == [("road way", "#0000ff"), ("car", "#112233")]
    assert not plan.unknown_codes
    assert any("names given, their colours in masks from label_colors.txt" in note for note in plan.notes)
    project_id, _ = imported(workspace, plan)
    label_map, _ = labels.read(workspace, images.list_images(workspace, project_id)[0].id)
    np.testing.assert_array_equal(label_map, np.array([1, 0, 255], np.uint8)[index_mask(1, 3)])


def test_classes_that_a_table_does_not_name_are_told(workspace: Workspace) -> None:
    table = ("label_colors.txt", b"255 0 0 car\n0 0 255 road\n0 0 0 void\n")
    plan = plan_import([*colour_pair(), table], given_classes=typed_classes("crop, weed"))
    assert plan.masks == 0, "void alone teaches nothing"
    assert any("the class names given, none of which is in label_colors.txt." in note for note in plan.notes)


def test_palettes_are_read_by_the_whole_table_though_fewer_classes_are_given(workspace: Workspace) -> None:
    table = ("label_colors.txt", b"1 2 3 sky\n255 0 0 car\n0 0 255 road\n")
    palette = [1, 2, 3, 255, 0, 0, 0, 0, 255] + [0] * 759
    files = [table]
    for name, classes in (("a", 3), ("b", 2)):
        mask = Image.fromarray(index_mask(1, classes) + (3 - classes))
        mask.putpalette(palette)
        buffer = io.BytesIO()
        mask.save(buffer, "PNG")
        files += [(f"images/{name}.png", picture(classes)), (f"masks/{name}.png", buffer.getvalue())]
    plan = plan_import(files, given_classes=typed_classes("road, car"))
    assert [unknown.code for unknown in plan.unknown_codes] == [0x010203]
    project_id, _ = imported(workspace, plan)
    for info, meaning in zip(images.list_images(workspace, project_id), ([254, 1, 0], [1, 0]), strict=True):
        label_map, _ = labels.read(workspace, info.id)
        np.testing.assert_array_equal(label_map, np.array(meaning, np.uint8)[index_mask(1, len(meaning))])


def test_a_colour_given_for_a_class_means_no_other_class_of_the_table() -> None:
    table = ("label_colors.txt", b"0 0 0 sky\n255 0 0 car\n0 0 255 road\n")
    plan = plan_import([*colour_pair(), table], given_classes=typed_classes("car #000000, road"))
    assert plan.classes[0].colour == "#000000"
    assert dict(plan.meaning.values["colour"]) == {0xFF0000: 0, 0x0000FF: 1}
    assert [unknown.code for unknown in plan.unknown_codes] == [0]


def test_a_class_may_be_given_another_name_by_its_colour_in_the_table() -> None:
    table = ("label_colors.txt", b"0 0 0 void\n255 0 0 car\n0 0 255 road\n")
    plan = plan_import([*colour_pair(), table], given_classes=typed_classes("vehicle #ff0000, road"))
    assert dict(plan.meaning.values["colour"]) == {0xFF0000: 0, 0x0000FF: 1, 0x000000: 255}


@pytest.mark.parametrize("names", ["background, crop", "background #112233, crop #00aa00"])
def test_two_classes_given_are_those_of_0_and_255_though_a_table_has_colours(names: str) -> None:
    table = ("label_colors.txt", b"0 0 0 background\n0 255 0 crop\n")
    plan = plan_import([*binary_pairs(1), table], given_classes=typed_classes(names))
    assert dict(plan.meaning.values["index"]) == {0: 0, 255: 1, 254: 254}
    expected = ["#112233", "#00aa00"] if "#" in names else ["#000000", "#00ff00"]
    assert [one.colour for one in plan.classes] == expected


@pytest.mark.parametrize("name", ["classes.json", "label_colors.txt"])
def test_a_list_that_cannot_be_used_is_none_where_classes_are_given(name: str) -> None:
    damaged = (name, b"{}" if name.endswith("json") else "Stra\u00dfe".encode("latin-1"))
    with pytest.raises(InvalidInput):
        plan_import([*pairs(1), damaged])
    plan = plan_import([*pairs(1), damaged], given_classes=typed_classes("soil, crop, weed"))
    assert [one.name for one in plan.classes] == ["soil", "crop", "weed"]


def test_colours_given_by_hand_are_those_of_the_masks_where_no_table_says_them() -> None:
    plan = plan_import(colour_pair(), given_classes=typed_classes("car #ff0000, road #00f, dark #000000"))
    assert dict(plan.meaning.values["colour"]) == {0xFF0000: 0, 0x0000FF: 1, 0x000000: 2}
    assert not plan.unknown_codes


def test_colours_without_a_table_are_proposed_as_classes() -> None:
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[:3] = [1, 2, 3]
    plan = plan_import([("a.jpg", picture(1, kind="JPEG")), ("a_mask.png", encoded(pixels))])
    assert [spec.name for spec in plan.classes] == ["#000000", "#010203"]


def test_too_many_colours_are_refused_with_the_cure() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    with pytest.raises(InvalidInput, match=r"label_colors\.txt"):
        plan_import([("images/a.png", picture(1, (40, 40))), ("masks/a.png", encoded(noise))])


def test_a_mask_of_thousands_of_colours_is_a_problem_and_the_rest_comes_in() -> None:
    smooth = picture(9, (80, 80))
    files = [("images/a.png", picture(1, (80, 80))), ("masks/a.png", smooth), *pairs(2)]
    plan = plan_import(files)
    assert re.fullmatch(
        r"The mask has [56],\d{3} different colours, so it looks like a photograph or has soft edges.*",
        reasons(plan)["masks/a.png"],
    )
    assert (plan.new_images, plan.masks, len(plan.classes)) == (3, 2, 3)


def test_masks_with_soft_edges_make_no_classes(workspace: Workspace) -> None:
    grey = np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE)
    files = [("images/a.png", picture(1)), ("masks/a.png", encoded(grey))]
    with pytest.raises(InvalidInput, match=r"192 different values .*soft edges or saved as photographs"):
        plan_import(files)
    few = [files[0], ("masks/a.png", encoded(grey // 3))]
    assert len(plan_import(few).classes) == 64
    names = [f"c{i}" for i in range(192)]
    assert len(plan_import(files, given_classes=typed_classes("\n".join(names))).classes) == 192


def test_a_projects_own_classes_are_met_by_name_then_by_index(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("Road"), ClassSpec("sky")], "tester")
    listed = [*pairs(1), ("dataset.json", json.dumps({"classes": ["sky", "road", "tree"]}).encode())]
    plan = plan_import(listed, workspace=workspace, project_id=project.id)
    assert dict(plan.meaning.values["index"]) == {0: 1, 1: 0, 254: 254, 255: 255}
    assert [code.code for code in plan.unknown_codes] == [2]
    assert any("no class tree" in note for note in plan.notes)

    unnamed = plan_import(pairs(1), workspace=workspace, project_id=project.id)
    assert dict(unnamed.meaning.values["index"]) == {0: 0, 1: 1, 254: 254, 255: 255}


def test_a_class_that_was_renamed_in_the_project_is_asked_about(workspace: Workspace) -> None:
    def notes(*names: str) -> str:
        listed = [*pairs(1), ("dataset.json", json.dumps({"classes": list(names)}).encode())]
        return " ".join(plan_import(listed, workspace=workspace, project_id=project.id).notes)

    specs = [ClassSpec(name) for name in ("soil", "crop", "thistle")]
    project = projects.create_project(workspace, "p", specs, "tester")
    assert (
        "The project has no class weed. weed has index 2, which is thistle in the project: if that is the "
        "same class, rename one of them."
    ) in notes("soil", "crop", "weed")
    # That class has another index in the list, or the project has none of that index.
    assert "rename" not in notes("soil", "thistle", "weed", "tree")
    assert "The project has no class tree." in notes("crop", "thistle", "soil", "tree")
    assert "rename" not in notes("crop", "thistle", "soil", "tree")


def test_masks_without_a_class_of_the_project_are_no_labels(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("road"), ClassSpec("sky")], "tester")
    strange = encoded(np.full(SIZE, 9, np.uint8))
    files = [*pairs(1, classes=2), ("images/strange.png", picture(7)), ("masks/strange.png", strange)]

    def plan() -> ImportPlan:
        return plan_import(files, workspace=workspace, project_id=project.id)

    assert {entry.path: entry.split for entry in plan().entries} == {
        "images/0.png": "train",
        "images/strange.png": "pool",
    }
    report = " ".join(plan().report())
    assert "1 mask used as submitted labels." in report
    assert "1 mask has no pixel of a known class, such as masks/strange.png" in report
    assert "add such classes to the project first" in report
    assert run_import(workspace, project.id, plan(), "tester").problems == ()
    assert plan().changes == ()
    for name in "cdefghij":
        projects.add_class(workspace, project.id, ClassSpec(name), "tester")
    assert [entry.mask_becomes for entry in plan().changes] == ["label"]


def test_masks_without_images_go_to_the_images_of_the_project_by_name(workspace: Workspace) -> None:
    everything = dict(pairs(6))
    photographs = [(f"2026/{i}.png", everything[f"images/{i}.png"]) for i in range(4)]
    project_id, _ = imported(workspace, plan_import(photographs))
    for name in "bc":
        projects.add_class(workspace, project_id, ClassSpec(name), "tester")
    masks = [(f"ready/{i}_mask.png", everything[f"masks/{i}.png"]) for i in (0, 1, 5)]
    masks.append(("ready/2_mask.png", encoded(index_mask(2, size=(6, 8)))))
    new = ("ready/3.png", picture(99))
    plan = plan_import([*masks, new], workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [
        ("2026/0.png", "ready/0_mask.png"),
        ("2026/1.png", "ready/1_mask.png"),
        ("ready/3.png", None),
    ]
    assert reasons(plan) == {
        "ready/2_mask.png": "It has the name of the image 2026/2.png, but is 8 × 6, and the image 16 × 12; "
        "masks are never resized. Save it in the size of the image.",
        "ready/5_mask.png": "No image of the project has the name of this mask.",
    }
    assert plan.notes[0].startswith("2 masks come without images, such as ready/0_mask.png")
    result = run_import(workspace, project_id, plan, "tester")
    assert (result.imported, result.labelled, result.already_there, result.problems) == (1, 2, 2, ())
    for info in images.list_images(workspace, project_id)[:2]:
        label_map, _ = labels.read(workspace, info.id)
        np.testing.assert_array_equal(label_map, index_mask(int(Path(info.name).stem)))
        assert info.split == "train"
    as_images = plan_import(masks, workspace=workspace, project_id=project_id, masks_as="ignore")
    assert as_images.new_images == 4


def test_an_image_is_no_duplicate_of_the_mask_that_finds_it_by_its_name_in_the_project(
    workspace: Workspace,
) -> None:
    files = dict(pairs(2))
    project_id, _ = imported(workspace, plan_import([("2026/a.png", files["images/0.png"])]))
    for name in "bc":
        projects.add_class(workspace, project_id, ClassSpec(name), "tester")
    source = [("new/0.png", files["images/0.png"]), ("masks/a.png", files["masks/0.png"])]
    plan = plan_import(source, workspace=workspace, project_id=project_id)
    assert (plan.duplicates, plan.problems) == ((), ())
    assert [(entry.path, entry.mask) for entry in plan.entries] == [("2026/a.png", "masks/a.png")]

    source.append(("masks/0.png", files["masks/1.png"]))
    plan = plan_import(source, workspace=workspace, project_id=project_id)
    assert (plan.duplicates, plan.masks) == ((), 1)
    (entry,) = plan.entries
    (left,) = {"masks/a.png", "masks/0.png"} - {entry.mask}
    assert reasons(plan) == {
        left: f"Its image has the mask {entry.mask}, too. Leave one mask for each image."
    }


@pytest.mark.parametrize("blank", [np.zeros(SIZE, np.uint8), np.zeros((*SIZE, 3), np.uint8)])
def test_a_blank_tile_of_another_area_becomes_an_image_and_no_label(
    workspace: Workspace, blank: np.ndarray
) -> None:
    first = [(f"tile_{i}.png", picture(i)) for i in range(6)]
    project_id, _ = imported(workspace, plan_import(first))
    second = {f"tile_{i}.png": picture(10 + i) for i in range(6)} | {"tile_3.png": encoded(blank)}
    plan = plan_import(list(second.items()), workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [(name, None) for name in second]
    assert plan.problems == ()
    assert plan.notes[0].startswith("1 picture comes in as an image, such as tile_3.png: it has few values")
    run_import(workspace, project_id, plan, "tester")
    assert [info.revision for info in images.list_images(workspace, project_id)] == [0] * 12


def test_masks_in_a_folder_of_masks_make_no_mask_of_a_blank_tile_beside_it(workspace: Workspace) -> None:
    project_id, _ = imported(workspace, plan_import([(f"tile_{i}.png", picture(i)) for i in range(6)]))
    masks = [(f"first/masks/tile_{i}.png", encoded(index_mask(i))) for i in (0, 1)]
    blank, photograph = encoded(np.zeros(SIZE, np.uint8)), picture(14)
    tiles = [("second/images/tile_3.png", blank), ("second/images/tile_4.png", photograph)]
    plan = plan_import([*masks, *tiles], workspace=workspace, project_id=project_id)
    assert {(entry.path, entry.mask) for entry in plan.changes} >= {(path, None) for path, _ in tiles}


def test_a_16_bit_mask_without_an_image_is_one_too(workspace: Workspace) -> None:
    project_id, _ = imported(workspace, plan_import([("0.jpg", picture(0, kind="JPEG"))]))
    deep = encoded(index_mask(0, classes=2).astype(np.uint16))
    plan = plan_import([("0.png", deep)], workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [("0.jpg", "0.png")]
    grey = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE) * 300
    plan = plan_import([("0.png", encoded(grey))], workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [("0.png", None)]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_channels_with_the_name_of_an_image_are_no_masks(workspace: Workspace, dtype: type) -> None:
    def deep(seed: int) -> bytes:
        channels = np.random.default_rng(seed).integers(0, 9, (5, *SIZE)).astype(dtype)
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, channels, photometric="minisblack", metadata={"axes": "CYX"})
        return buffer.getvalue()

    project_id, _ = imported(workspace, plan_import([("0.tif", deep(0))]))
    plan = plan_import([("0.tif", deep(1))], workspace=workspace, project_id=project_id)
    assert reasons(plan) == {}
    assert [(entry.path, entry.mask) for entry in plan.changes] == [("0.tif", None)]


def test_a_mask_without_an_image_goes_to_none_where_names_leave_it_open(workspace: Workspace) -> None:
    photographs = [(f"{drive}/{i}.png", picture(10 * drive + i)) for drive in (1, 2) for i in range(2)]
    project_id, _ = imported(workspace, plan_import(photographs))
    mask = encoded(index_mask(0, classes=1))
    in_folders = [(f"masks/{drive}/0.png", mask) for drive in (1, 2)]
    plan = plan_import(in_folders, workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [
        ("1/0.png", "masks/1/0.png"),
        ("2/0.png", "masks/2/0.png"),
    ]
    plan = plan_import([("masks/0.png", mask)], workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [("masks/0.png", None)]


def test_masks_in_a_folder_of_masks_go_to_the_images_of_the_project_beside_new_pairs(
    workspace: Workspace,
) -> None:
    files = dict(pairs(4))
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    there = [(f"2026/{i}.png", files[f"images/{i}.png"]) for i in (0, 1)]
    there.append(("2026/4.jpg", picture(4, kind="JPEG")))
    run_import(workspace, project.id, plan_import(there), "tester")
    nameless = ("masks/9.png", files["masks/3.png"])
    # With more values than a picture may have that is taken for a mask by its values.
    deep = np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE)
    source = [("new/2.png", files["images/2.png"]), ("masks/2.png", files["masks/2.png"]), nameless]
    source += [("masks/0.png", files["masks/0.png"]), ("masks/4.jpg.png", files["masks/1.png"])]
    source += [("new/3.png", files["images/3.png"]), ("masks/1.png", encoded(deep))]
    plan = plan_import(source, workspace=workspace, project_id=project.id)
    assert [(entry.path, entry.mask, entry.group) for entry in plan.entries] == [
        ("2026/0.png", "masks/0.png", None),
        ("2026/1.png", "masks/1.png", None),
        ("2026/4.jpg", "masks/4.jpg.png", None),
        ("new/2.png", "masks/2.png", None),
        ("new/3.png", None, None),
    ]
    assert reasons(plan) == {"masks/9.png": "No image of the project has the name of this mask."}
    assert plan.notes[0] == (
        "3 masks come without images, such as masks/0.png, for images that the project has, by name."
    )
    assert run_import(workspace, project.id, plan, "tester").labelled == 4
    without_project = plan_import(source)
    assert reasons(without_project)["masks/0.png"] == "No image has the name of this mask."


def test_masks_of_split_folders_that_come_alone_become_what_they_would_with_their_images(
    workspace: Workspace,
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(split_folders(with_masks=False)), "tester")
    masks = [file for file in split_folders(with_masks=True) if "annot" in file[0]]
    plan = plan_import(masks, workspace=workspace, project_id=project.id)
    assert "Splits: 3 train, 3 audit, 3 excluded." in plan.report()
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.labelled, result.truths, result.problems) == (6, 3, ())
    for info in images.list_images(workspace, project.id):
        split = {"train": "train", "val": "audit", "test": "excluded"}[info.name.split("/")[0]]
        assert (info.split, info.revision) == (split, int(split != "excluded"))


def test_masks_of_images_that_came_in_a_folder_called_test_become_labels_when_these_wait_in_the_pool(
    workspace: Workspace,
) -> None:
    photographs = [(f"test/{i}.png", picture(i)) for i in range(2)]
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(photographs), "tester")
    assert [info.split for info in images.list_images(workspace, project.id)] == ["pool", "pool"]
    images.set_split(workspace, [images.list_images(workspace, project.id)[1].id], "excluded", "tester")
    masks = [(f"masks/{i}.png", encoded(index_mask(i))) for i in range(2)]
    plan = plan_import(masks, workspace=workspace, project_id=project.id)
    assert [entry.mask_becomes for entry in plan.entries] == ["label", "truth"]


def test_masks_of_camvid_that_come_alone_have_its_void(workspace: Workspace) -> None:
    specs = [ClassSpec(one.name) for one in CAMVID.classes]
    project = projects.create_project(workspace, "p", specs, "tester")
    run_import(workspace, project.id, plan_import([("CamVid/train/0.png", picture(0))]), "tester")
    mask = index_mask(0, classes=12)
    plan = plan_import(
        [("CamVid/trainannot/0.png", encoded(mask))], workspace=workspace, project_id=project.id
    )
    assert plan.unknown_codes == ()
    run_import(workspace, project.id, plan, "tester")
    label_map, _ = labels.read(workspace, images.list_images(workspace, project.id)[0].id)
    np.testing.assert_array_equal(label_map, np.where(mask == 11, 255, mask))


def test_where_names_leave_the_image_of_a_mask_open_that_is_said(workspace: Workspace) -> None:
    photographs = [(f"{drive}/{i}.png", picture(10 * drive + i)) for drive in (1, 2) for i in range(2)]
    project_id, _ = imported(workspace, plan_import([*photographs, ("1/7.jpg", picture(7, kind="JPEG"))]))
    mask = encoded(index_mask(0, classes=1))
    plan = plan_import([("0.png", mask)], workspace=workspace, project_id=project_id)
    said = "2 images of the project have the name of this mask (1/0.png, 2/0.png). Bring its image with it"
    assert plan.notes[0].startswith(
        f"1 picture looks like a mask and comes in as an image, such as 0.png. {said}"
    )
    in_folders = [(f"{drive}/masks/0.png", mask) for drive in (2, 3)]
    twice = [(f"{drive}/masks/7{ending}.png", mask) for drive, ending in ((2, ""), (3, "_mask"))]
    plan = plan_import([*in_folders, *twice], workspace=workspace, project_id=project_id)
    assert [(entry.path, entry.mask) for entry in plan.changes] == [("2/0.png", "2/masks/0.png")]
    assert reasons(plan)["3/masks/0.png"].startswith(said)
    for path in ("2/masks/7.png", "3/masks/7_mask.png"):
        assert reasons(plan)[path] == (
            "Several pictures have the name of the image 1/7.jpg (2/masks/7.png, 3/masks/7_mask.png). "
            "Leave one mask."
        )


def test_a_picture_with_the_name_of_an_image_is_decoded_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_id, _ = imported(workspace, plan_import([("1/0.png", picture(0))]))
    decoded: list[Image.Image] = []
    load = PngImageFile.load

    def counted(image: PngImageFile) -> object:
        if image.fp is not None:  # else it is decoded already
            decoded.append(image)
        return load(image)

    monkeypatch.setattr(PngImageFile, "load", counted)
    plan = plan_import([("2/0.png", picture(1))], workspace=workspace, project_id=project_id)
    assert (plan.new_images, len(decoded)) == (1, 1)


def test_class_names_given_by_hand_are_used() -> None:
    plan = plan_import(pairs(1), given_classes=typed_classes("soil, crop, weed"))
    assert [spec.name for spec in plan.classes] == ["soil", "crop", "weed"]


def test_void_can_be_any_index(workspace: Workspace) -> None:
    said = {"classes": ["soil", "shadow", "weed"], "ignore_index": 1}
    plan = plan_import([*pairs(1), ("dataset.json", json.dumps(said).encode())])
    assert [spec.name for spec in plan.classes] == ["soil", "weed"]
    project_id, _ = imported(workspace, plan)
    label_map, _ = labels.read(workspace, images.list_images(workspace, project_id)[0].id)
    np.testing.assert_array_equal(label_map, np.array([0, 255, 1], np.uint8)[index_mask(0)])


def test_masks_of_0_and_255_are_two_classes_unless_255_is_said_to_be_void() -> None:
    mask = encoded((index_mask(0, 2) * 255).astype(np.uint8))
    files = [("images/a.png", picture(0)), ("masks/a.png", mask)]
    assert [spec.name for spec in plan_import(files).classes] == ["background", "object"]
    said = {"classes": ["soil"], "ignore_index": 255}
    plan = plan_import([*files, ("dataset.json", json.dumps(said).encode())])
    assert [spec.name for spec in plan.classes] == ["soil"]


@pytest.mark.parametrize(
    ("names", "first", "second"), [(["road", "crack"], 0, 1), (["crack", "background"], 1, 0)]
)
def test_masks_of_0_and_255_are_the_two_classes_that_are_named(
    workspace: Workspace, names: list[str], first: int, second: int
) -> None:
    listed = [*binary_pairs(1), ("classes.json", json.dumps(names).encode())]
    for plan in (
        plan_import(binary_pairs(1), given_classes=typed_classes("\n".join(names))),
        plan_import(listed),
    ):
        assert [spec.name for spec in plan.classes] == [names[first], names[second]]
        assert dict(plan.meaning.values["index"]) == {0: 0, 255: 1, 254: 254}
        assert any(f"255 as the class {names[second]}, not as void" in note for note in plan.notes)


@pytest.mark.parametrize(
    "listed",
    [
        ["road", "void"],
        ["road", "crack", "shadow"],
        {"classes": ["road", "crack"], "ignore_index": 255},
        {"classes": [{"name": "road", "index": 0}, {"name": "crack", "index": 1}]},
    ],
)
def test_255_stays_void_where_a_list_says_more_than_two_names(listed: object) -> None:
    plan = plan_import([*binary_pairs(1), ("classes.json", json.dumps(listed).encode())])
    assert plan.meaning.values["index"][255] == 255


def binary_pairs(count: int) -> list[tuple[str, bytes]]:
    files = [(f"images/{i}.png", picture(i)) for i in range(count)]
    return files + [
        (f"masks/{i}.png", encoded((index_mask(i, 2) * 255).astype(np.uint8))) for i in range(count)
    ]


@pytest.mark.parametrize(
    ("names", "background", "thing"),
    [
        (["background", "object", "debris"], 0, 1),
        (["debris", "Object", "Background"], 2, 1),
        (["ground", "weed"], 0, 1),
        (["nucleus", "background"], 1, 0),
        (["background", "nucleus"], 0, 1),
    ],
)
def test_masks_of_0_and_255_meet_a_background_and_an_object_whatever_else_the_project_has(
    workspace: Workspace, names: list[str], background: int, thing: int
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in names], "tester")
    plan = plan_import(binary_pairs(2), workspace=workspace, project_id=project.id)
    assert plan.unknown_codes == ()
    run_import(workspace, project.id, plan, "tester")
    for info in images.list_images(workspace, project.id):
        label_map, _ = labels.read(workspace, info.id)
        chosen = index_mask(int(Path(info.name).stem), 2)
        np.testing.assert_array_equal(label_map, np.array([background, thing], np.uint8)[chosen])


@pytest.mark.parametrize(("names", "is_said"), [("nucleus,background", True), ("background,nucleus", False)])
def test_masks_of_0_alone_say_which_class_they_are_where_it_may_be_another(
    workspace: Workspace, names: str, is_said: bool
) -> None:
    specs = [ClassSpec(name) for name in names.split(",")]
    project = projects.create_project(workspace, "p", specs, "tester")
    files = [("images/a.png", picture(0)), ("masks/a.png", encoded(np.zeros(SIZE, np.uint8)))]
    plan = plan_import(files, workspace=workspace, project_id=project.id)
    assert any("index 0, the class nucleus, and not as background" in note for note in plan.notes) is is_said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nucleus"], "whether 255 is the project's class nucleus cannot be told"),
        (["soil", "crop", "weed"], r"which one of the 3 classes of the project \(soil, crop, weed\) 255 is"),
    ],
)
def test_masks_of_0_and_255_are_refused_where_255_can_be_any_class(
    workspace: Workspace, names: list[str], said: str
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in names], "tester")
    with pytest.raises(InvalidInput, match=said) as refused:
        plan_import(binary_pairs(2), workspace=workspace, project_id=project.id)
    # The way out that the sentence shows is one.
    example = re.search(r"\{.*\}", str(refused.value))
    assert example
    files = [*binary_pairs(2), ("dataset.json", example[0].encode())]
    plan = plan_import(files, workspace=workspace, project_id=project.id)
    assert plan.meaning.values["index"][255] == len(names) - 1


@pytest.fixture
def part_of_camvid(camvid: Path, tmp_path: Path) -> Path:
    """Every tenth image of each of CamVid's splits, with its mask, in the same layout."""
    folder = tmp_path / "CamVid"
    for split in ("train", "val", "test"):
        for name, ending in ((split, "*"), (f"{split}annot", "*.png")):
            (folder / name).mkdir(parents=True)
            for path in sorted((camvid / name).glob(ending))[::10]:
                shutil.copy(path, folder / name)
    return folder


def test_camvid_is_known_by_its_layout(part_of_camvid: Path, workspace: Workspace) -> None:
    plan = plan_import(part_of_camvid)
    assert plan.problems == ()
    assert plan.unknown_codes == ()
    assert [spec.name for spec in plan.classes][:4] == ["sky", "building", "pole", "road"]
    assert len(plan.classes) == 11
    assert {entry.group for entry in plan.entries} == {"0001TP", "0006R0", "0016E5", "Seq05VD"}
    project_id, result = imported(workspace, plan)
    assert (result.imported, result.labelled, result.problems) == (72, 48, ())
    assert images.split_counts(workspace, project_id) == {
        "pool": 0,
        "train": 37,
        "audit": 11,
        "excluded": 24,
    }
    info = images.list_images(workspace, project_id, "excluded")[0]
    assert info.revision == 0
    mask = np.asarray(Image.open(part_of_camvid / "testannot" / f"{Path(info.name).stem}.png"))
    np.testing.assert_array_equal(images.truth(workspace, info.id), np.where(mask == 11, 255, mask))

    again = run_import(workspace, project_id, plan, "tester")
    assert (again.imported, again.labelled, again.already_there) == (0, 0, 72)
    few = plan_import(part_of_camvid / "val", workspace=workspace, project_id=project_id)
    assert (few.new_images, len(few.entries)) == (0, 11)
    assert few.report()[0] == "11 images are in the project already; nothing is added."
    assert (few.masks, few.changes) == (0, ())


def test_dataset_json_gives_classes_void_and_splits() -> None:
    description = {
        "classes": ["background", "nucleus"],
        "ignore_index": 2,
        "splits": {"val": ["0"], "test": ["1"]},
    }
    plan = plan_import([*pairs(3), ("dataset.json", json.dumps(description).encode())])
    assert [spec.name for spec in plan.classes] == ["background", "nucleus"]
    assert [(entry.split, entry.mask_becomes) for entry in plan.entries] == [
        ("audit", "label"),
        ("excluded", "truth"),
        ("train", "label"),
    ]
    flat = plan_import([*pairs(3), ("dataset.json", json.dumps(description).encode())], follow_splits=False)
    assert {entry.split for entry in flat.entries} == {"train"}


def test_palettes_that_give_an_index_different_colours_are_reported() -> None:
    def mask(*colours: int) -> bytes:
        image = Image.fromarray(index_mask(0, classes=2))
        image.putpalette(b"".join(colour.to_bytes(3, "big") for colour in colours))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    files = [("images/0.png", picture(0)), ("images/1.png", picture(1)), ("masks/0.png", mask(0, 0xFF0000))]
    differing = plan_import([*files, ("masks/1.png", mask(0, 0x00FF00))])
    assert any(
        "index 1 is #ff0000 in masks/0.png and #00ff00 in masks/1.png" in note for note in differing.notes
    )
    # Colours that no pixel has say nothing.
    alike = plan_import([*files, ("masks/1.png", mask(0, 0xFF0000, 0x0000FF))])
    assert not any("palettes" in note for note in alike.notes)


@pytest.mark.parametrize("listed", ["run1.5_größe", "run1.5_größe.JPG", "left/run1.5_größe.png"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_images_are_found_in_a_list_of_splits_by_names_with_dots_and_accents(
    listed: str, form: Literal["NFC", "NFD"]
) -> None:
    splits = {"test": [unicodedata.normalize(form, listed)]}
    description = json.dumps({"classes": ["a", "b", "c"], "splits": splits})
    files = [("images/run1.5_größe.png", picture(0)), ("masks/run1.5_größe.png", encoded(index_mask(0)))]
    (entry,) = plan_import([*files, ("dataset.json", description.encode())]).entries
    assert (entry.split, entry.mask_becomes) == ("excluded", "truth")


def test_a_rotated_photo_meets_its_upright_mask(workspace: Workspace) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 12, 3), np.uint8)).save(buffer, "JPEG", exif=exif)
    files = [("images/a.jpg", buffer.getvalue()), ("masks/a.png", encoded(index_mask(0, size=(12, 16))))]
    plan = plan_import(files)
    assert plan.entries[0].rotated
    assert (
        "1 image with a mask, images/a.jpg, was turned upright as its EXIF orientation says; its mask is "
        "taken as drawn on the upright picture. Look at it on the Label page."
    ) in plan.report()
    two = [*files, ("images/b.jpg", files[0][1] + b"\n"), ("masks/b.png", files[1][1])]
    assert "2 images with masks, such as images/a.jpg, were turned upright" in " ".join(
        plan_import(two).report()
    )
    assert "1 image turned upright as the EXIF orientation says." in plan_import(files[:1]).report()
    project_id, result = imported(workspace, plan)
    assert result.labelled == 1
    again = plan_import(files, workspace=workspace, project_id=project_id).report()
    assert not any("upright" in line for line in again)
    info = images.list_images(workspace, project_id)[0]
    assert (info.width, info.height, info.content_hash) == (16, 12, hashlib.sha256(files[0][1]).hexdigest())


# Bad input


def test_one_bad_file_never_stops_the_rest(workspace: Workspace, tmp_path: Path) -> None:
    jpeg = picture(9, (64, 64), "JPEG")
    long_name = "長" * 60 + "x" * 10 + ".png"
    folder = tmp_path / "source"
    for name, data in [
        ("images/cut.jpg", jpeg[: len(jpeg) // 2]),
        ("images/zero.png", b""),
        ("images/text.png", b"not an image"),
        ("images/one.png", picture(1, (1, 1))),
        ("images/deep.png", encoded(np.arange(192, dtype=np.uint16).reshape(12, 16) * 100)),
        ("images/größe 図.png", picture(2)),
        ("images/" + long_name, picture(3)),
        ("images/copy.png", picture(2)),
        ("images/wrong.png", picture(4)),
        ("images/good.png", picture(5)),
        ("images/unknown.png", picture(6)),
        ("images/nested/deeper/x.png", picture(7)),
        ("images/.hidden.png", picture(8)),
        ("__MACOSX/images/good.png", picture(10)),
        ("masks/wrong.png", encoded(index_mask(4, size=(5, 5)))),
        ("masks/good.png", encoded(index_mask(5))),
        ("masks/unknown.png", encoded(index_mask(6, 200))),
        ("masks/nobody.png", encoded(index_mask(6))),
        ("masks/one.png", b"\x89PNG broken"),
    ]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    project = projects.create_project(workspace, "p", [ClassSpec("a"), ClassSpec("b"), ClassSpec("c")], "me")
    plan = plan_import(folder, workspace=workspace, project_id=project.id)
    said = reasons(plan)
    assert "cut short or damaged" in said["images/cut.jpg"]
    assert "0 bytes" in said["images/zero.png"]
    assert "no image" in said["images/text.png"]
    assert "5 × 5" in said["masks/wrong.png"]
    assert "never resized" in said["masks/wrong.png"]
    assert "No image has the name" in said["masks/nobody.png"]
    assert "no image" in said["masks/one.png"]
    assert [one.name for one in plan.duplicates] == ["images/größe 図.png"]
    assert {code.code for code in plan.unknown_codes} <= set(range(3, 200))
    assert any("more than 8 bits" in note for note in plan.notes)

    result = run_import(workspace, project.id, plan, "me")
    names = {info.name: info for info in images.list_images(workspace, project.id)}
    assert set(names) == {
        "images/one.png",
        "images/deep.png",
        "images/copy.png",
        "images/" + long_name,
        "images/wrong.png",
        "images/good.png",
        "images/unknown.png",
        "images/nested/deeper/x.png",
    }
    assert (result.imported, result.labelled, result.problems) == (8, 2, ())
    assert names["images/wrong.png"].revision == 0
    expected = index_mask(6, 200)
    np.testing.assert_array_equal(
        labels.read(workspace, names["images/unknown.png"].id)[0], np.where(expected < 3, expected, 254)
    )


def test_whatever_a_decoder_raises_is_a_problem_of_its_file_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = picture(0)

    def stumbling(data: bytes, few_values: int = 0) -> UprightImage:
        if data == odd:
            raise AttributeError("'bytes' object has no attribute 'numerator'")
        return read_image(data, few_values)

    files = [("0.png", odd), ("1.png", picture(1))]
    plan = plan_import(files)
    monkeypatch.setattr(checked_images, "read_image", stumbling)
    monkeypatch.setattr(prepared_images, "read_image", stumbling)
    assert [entry.path for entry in plan_import(files).entries] == ["1.png"]
    project_id, result = imported(workspace, plan)
    assert [info.name for info in images.list_images(workspace, project_id)] == ["1.png"]
    for problems in (plan_import(files).problems, result.problems):
        assert [problem.name for problem in problems] == ["0.png"]
        assert problems[0].sentence.startswith("The file cannot be read (AttributeError: 'bytes' object has")


def test_a_huge_file_of_a_folder_is_a_problem_and_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "fine.png").write_bytes(picture(1))
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(3 * 2**30)  # of holes, so it takes no space
    plan = plan_import(tmp_path)
    assert [entry.path for entry in plan.entries] == ["fine.png"]
    assert reasons(plan)["huge.png"].startswith("The file is 3.0 GiB, too much for one image.")


def test_a_name_that_is_no_text_is_a_problem_and_the_rest_comes_in(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / os.fsdecode(b"\xe4x.png")).write_bytes(picture(0))
    (folder / "fine.png").write_bytes(picture(1))
    plan = plan_import(folder)
    assert "not UTF-8" in reasons(plan)["\\udce4x.png"]
    assert "\n".join(plan.report()).encode()
    project_id, _ = imported(workspace, plan)
    assert [info.name for info in images.list_images(workspace, project_id)] == ["fine.png"]


def test_uploads_of_one_name_are_told_the_way_out() -> None:
    mask = encoded(index_mask(0))
    plan = plan_import([("a.png", picture(0)), ("a.png", mask)])
    assert plan.new_images == 1
    assert "Upload a zip of the folders instead." in reasons(plan)["a.png"]


def test_names_of_200_characters_come_in_from_a_zip(workspace: Workspace, tmp_path: Path) -> None:
    name = "ж" * 196 + ".png"
    path = tmp_path / "long.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, picture(0))
        archive.writestr("../escape.png", picture(1))
        archive.writestr("/absolute.png", picture(2))
    plan = plan_import(path)
    assert set(reasons(plan)) == {"../escape.png", "/absolute.png"}
    project_id, _ = imported(workspace, plan)
    assert [info.name for info in images.list_images(workspace, project_id)] == [name]
    assert not (tmp_path / "escape.png").exists()


def test_a_palette_mask_with_an_index_outside_its_palette_is_reported(workspace: Workspace) -> None:
    indices = np.where(np.arange(192).reshape(SIZE) < 50, 7, 0).astype(np.uint8)
    # Written by hand: Pillow would fold the index into the palette's two colours.
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 12, 8, 3, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\x00" + row.tobytes() for row in indices))
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0]))
    mask = b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    project = projects.create_project(workspace, "p", [ClassSpec("a"), ClassSpec("b")], "me")
    plan = plan_import(
        [("images/a.png", picture(0)), ("masks/a.png", mask)],
        workspace=workspace,
        project_id=project.id,
    )
    unknown = [line for line in plan.report() if "No class has" in line]
    assert unknown == ["No class has index 7 (50 pixels in 1 mask); they come in as not labelled."]


def test_what_no_class_has_is_one_sentence_the_largest_first(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("a"), ClassSpec("b")], "me")
    mask = np.zeros(SIZE, np.uint8)
    mask.flat[:100] = np.repeat(np.arange(10, 17), [30, 2, 40, 1, 20, 4, 3])
    plan = plan_import(
        [("images/a.png", picture(0)), ("masks/a.png", encoded(mask))],
        workspace=workspace,
        project_id=project.id,
    )
    assert [line for line in plan.report() if "not labelled" in line] == [
        "No class has index 12 (40 pixels in 1 mask), index 10 (30 pixels in 1 mask), index 14 (20 pixels in "
        "1 mask), index 15 (4 pixels in 1 mask), index 16 (3 pixels in 1 mask) or 2 more values (3 pixels); "
        "they come in as not labelled."
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("dataset.json", json.dumps({"classes": [f"c{i}" for i in range(255)]}), "255 classes.*at most 254"),
        ("classes.json", json.dumps(["road", "Road"]), "both named Road"),
        ("dataset.json", "{", "not valid JSON"),
        ("dataset.json", "{}", "no list"),
        ("classes.json", "[{}]", "no name"),
        ("label_colors.txt", "red 1 2", "Line 1"),
    ],
)
def test_wrong_class_lists_are_refused(name: str, content: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        plan_import([*pairs(1), (name, content.encode())])


def test_254_classes_come_in(workspace: Workspace) -> None:
    pixels = (np.arange(16 * 16) % 254).astype(np.uint8).reshape(16, 16)
    files = [("images/a.png", picture(0, (16, 16))), ("masks/a.png", encoded(pixels))]
    listed = json.dumps([f"c{i}" for i in range(254)]).encode()
    project_id, _ = imported(workspace, plan_import([*files, ("classes.json", listed)]))
    label_map, _ = labels.read(workspace, images.list_images(workspace, project_id)[0].id)
    np.testing.assert_array_equal(label_map, pixels)


def test_an_empty_source_says_so(tmp_path: Path) -> None:
    assert plan_import(tmp_path).report()[0].startswith("Nothing to import")
    with pytest.raises(InvalidInput, match="no folder or zip"):
        plan_import(tmp_path / "missing")


def test_a_source_without_images_says_what_it_has_instead() -> None:
    files = [("IMG_1.HEIC", b"x"), ("img_2.heif", b"y"), ("a.json", b"{}"), ("broken.png", b"z")]
    report = plan_import(files).report()
    assert report[0] == "Nothing to import: no image was found that can be read."
    assert report[1] == (
        "2 photographs left alone, such as IMG_1.HEIC: HEIC is not read. Let the phone write JPEG, or "
        "convert them to JPEG."
    )
    assert report[2].startswith("1 file of another tool left alone, such as a.json")
    assert report[3] == "1 problem; the rest goes on."
    assert report[4].startswith("broken.png: ")


def test_a_project_without_the_proposed_classes_is_refused(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec("one")], "tester")
    with pytest.raises(InvalidInput, match="3 classes, but the project has 1"):
        run_import(workspace, project.id, plan_import(pairs(2)), "tester")


def test_a_file_that_changed_after_the_check_stays_out(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture(ord(name[0])))
    plan = plan_import(tmp_path)
    (tmp_path / "a.png").write_bytes(picture(99))
    (tmp_path / "b.png").unlink()
    _, result = imported(workspace, plan)
    assert result.imported == 0
    assert "changed" in result.problems[0].sentence
    assert "no longer there" in result.problems[1].sentence


# Going on


def test_an_import_stopped_between_image_and_label_is_finished_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_import(pairs(6))
    project = projects.create_project(workspace, "p", plan.classes, "tester")
    save, calls = labels.save, []

    def failing(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return save(*arguments, **options)

    monkeypatch.setattr(labels, "save", failing)
    with pytest.raises(KeyboardInterrupt):
        run_import(workspace, project.id, plan, "tester")
    assert images.split_counts(workspace, project.id) == {"pool": 1, "train": 3, "audit": 0, "excluded": 0}
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.imported, result.labelled) == (2, 3)
    assert images.split_counts(workspace, project.id)["train"] == 6


def test_a_full_disk_stops_the_import_and_keeps_what_came_in(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_import(pairs(6))
    project = projects.create_project(workspace, "p", plan.classes, "tester")
    store, calls = type(workspace.blobs).put, []

    def full(self: object, data: bytes) -> str:
        calls.append(1)
        if len(calls) > 6:
            raise DiskFull
        return store(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(type(workspace.blobs), "put", full)
        with pytest.raises(DiskFull) as ended:
            run_import(workspace, project.id, plan, "tester")
    said = re.fullmatch(
        r"The disk that holds the workspace is full. (\d) of 6 images are in and complete; the same "
        r"source, imported again, brings the rest: free some space and try again.",
        str(ended.value),
    )
    assert said
    assert int(said[1]) == images.split_counts(workspace, project.id)["train"]
    for info in images.list_images(workspace, project.id):
        assert workspace.blobs.exists(info.blob)
    run_import(workspace, project.id, plan, "tester")
    assert images.split_counts(workspace, project.id)["train"] == 6


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WorkspaceBusy("qualm.sqlite", 30), "over 30 seconds. 2 of 6 images are in and complete; the same"),
        (WorkspaceError("It is read-only."), "It is read-only. 2 of 6 images are in and complete; the same"),
    ],
)
def test_an_import_that_a_database_ends_says_what_is_in(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: WorkspaceError, said: str
) -> None:
    plan = plan_import(pairs(6))
    project = projects.create_project(workspace, "p", plan.classes, "tester")
    save, calls = labels.save, []

    def refusing(*arguments: Any, **options: Any) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise error
        return save(*arguments, **options)

    monkeypatch.setattr(labels, "save", refusing)
    with pytest.raises(type(error)) as ended:
        run_import(workspace, project.id, plan, "tester")
    assert said in str(ended.value)
    assert "Nothing was changed" not in str(ended.value)


def test_a_label_that_a_person_saves_meanwhile_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    complete, save = images.complete, labels.save

    def overtaken(workspace: Workspace, image_id: int, **said: Any) -> None:
        complete(workspace, image_id, **said)
        save(workspace, image_id, index_mask(9), expected_revision=0, author="anna", status="submitted")

    run_import(workspace, project.id, plan_import(pairs(1), masks_as="ignore"), "tester")
    monkeypatch.setattr(images, "complete", overtaken)
    result = run_import(workspace, project.id, plan_import(pairs(1)), "tester")
    assert [problem.sentence for problem in result.problems] == [
        "anna saved a label map of its image in the meantime, so this mask is left out."
    ]
    (info,) = images.list_images(workspace, project.id)
    np.testing.assert_array_equal(labels.read(workspace, info.id)[0], index_mask(9))


@pytest.mark.parametrize("masks_as", ["ignore", "labels"])
def test_labels_come_to_images_that_another_import_brings_meanwhile(
    workspace: Workspace, masks_as: Literal["ignore", "labels"]
) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    other = plan_import(pairs(4), masks_as=masks_as)

    def overtaken(done: int, of: int, name: str) -> None:
        if done == 1:
            run_import(workspace, project.id, other, "another")

    result = run_import(workspace, project.id, plan_import(pairs(4)), "tester", overtaken)
    assert (result.imported, result.already_there, result.problems) == (1, 3, ())
    assert result.labelled == (4 if masks_as == "ignore" else 1)
    assert [info.revision for info in images.list_images(workspace, project.id)] == [1] * 4


def test_a_killed_import_goes_on_where_it_was(camvid: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for kind in ("train", "trainannot"):
        (source / kind).mkdir(parents=True)
        for path in sorted((camvid / kind).iterdir())[:80]:
            shutil.copy(path, source / kind)
    workspace = open_workspace(tmp_path / "workspace")
    plan = plan_import(source)
    project = projects.create_project(workspace, "p", plan.classes, "tester")
    program = (
        "import sys; from storage.import_planning import plan_import\n"
        "from storage.importing import run_import; from storage.workspace import open_workspace\n"
        "w = open_workspace(sys.argv[1])\n"
        "run_import(w, int(sys.argv[2]), plan_import(sys.argv[3]), 'tester',\n"
        "           lambda done, of, name: print(done, flush=True) or (done >= 60 and sys.stdin.read()))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(workspace.path), str(project.id), str(source)],
        cwd=ROOT,
        # Near its end it waits, should it get there before it is killed.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if int(line) >= 20:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(images.list_images(workspace, project.id))
    assert 20 <= there < 80
    result = run_import(workspace, project.id, plan, "tester")
    assert result.imported == 80 - there
    everything = images.list_images(workspace, project.id, "train")
    assert len(everything) == 80
    assert all(info.revision == 1 and workspace.blobs.exists(info.blob) for info in everything)
    workspace.close()


def split_folders(with_masks: bool) -> list[tuple[str, bytes]]:
    """Return three images in each of train, val and test, each with its mask when they are asked for."""
    files = []
    for start, folder in enumerate(("train", "val", "test")):
        for i in range(3 * start, 3 * start + 3):
            files.append((f"{folder}/{i}.png", picture(i)))
            if with_masks:
                files.append((f"{folder}annot/{i}.png", encoded(index_mask(i))))
    return files


def test_masks_that_come_later_find_their_images_and_keep_what_the_plan_says(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(split_folders(with_masks=False)), "tester")
    plan = plan_import(split_folders(with_masks=True), workspace=workspace, project_id=project.id)
    report = plan.report()
    assert report[0] == "9 images are in the project already; only missing labels are added."
    assert "6 masks used as submitted labels." in report
    assert "3 masks kept as hidden truth: never trained on, only to measure." in report
    assert "Splits: 3 train, 3 audit, 3 excluded." in report
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.imported, result.labelled, result.truths, result.already_there) == (0, 6, 3, 9)
    for info in images.list_images(workspace, project.id):
        split = {"train": "train", "val": "audit", "test": "excluded"}[info.name.split("/")[0]]
        assert (info.split, info.revision) == (split, int(split != "excluded"))
        assert (info.truth_blob is not None) == (split == "excluded")

    again = plan_import(split_folders(with_masks=True), workspace=workspace, project_id=project.id)
    assert (again.masks, again.changes) == (0, ())
    assert not any("masks" in line or "Splits" in line for line in again.report())
    result = run_import(workspace, project.id, again, "tester")
    assert (result.imported, result.labelled, result.truths) == (0, 0, 0)


def test_truth_that_comes_later_is_kept(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(pairs(3), masks_as="ignore"), "tester")
    plan = plan_import(pairs(3), workspace=workspace, project_id=project.id, masks_as="truth")
    result = run_import(workspace, project.id, plan, "tester")
    assert result.report()[0].startswith("3 images were there already; 3 gained hidden truth in ")
    assert events.recent(workspace, project.id, 1)[0].detail["truths"] == 3
    for info in images.list_images(workspace, project.id, "pool"):
        np.testing.assert_array_equal(images.truth(workspace, info.id), index_mask(int(Path(info.name).stem)))


def test_masks_that_come_later_leave_images_where_a_person_put_them(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(split_folders(with_masks=False)), "tester")
    by_name = {info.name: info.id for info in images.list_images(workspace, project.id)}
    begun, taken_out, at_work = by_name["val/3.png"], by_name["train/0.png"], by_name["val/4.png"]
    labels.save(workspace, begun, index_mask(9), expected_revision=0, author="anna")
    images.set_split(workspace, [taken_out], "excluded", "anna")
    plan = plan_import(split_folders(with_masks=True), workspace=workspace, project_id=project.id)
    planned = {entry.path: (entry.split, entry.mask_becomes) for entry in plan.entries}
    assert planned["val/3.png"] == ("pool", None)
    assert planned["train/0.png"] == ("excluded", "label")
    queue.open_image(workspace, at_work, "anna")
    result = run_import(workspace, project.id, plan, "tester")
    assert [problem.name for problem in result.problems] == ["val/4.png"]
    assert result.problems[0].sentence.startswith(
        "anna is working on this image now, so its label map is left"
    )
    found = {info.name: (info.split, info.revision) for info in images.list_images(workspace, project.id)}
    assert found["val/3.png"] == ("pool", 1)
    assert found["train/0.png"] == ("excluded", 1)
    assert found["val/4.png"] == ("pool", 0)
    assert found["val/5.png"] == ("audit", 1)


def test_a_draft_of_which_all_was_taken_back_keeps_no_mask_out(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(split_folders(with_masks=False)), "tester")
    ids = {info.name: info.id for info in images.list_images(workspace, project.id)}
    empty = np.full(SIZE, 254, np.uint8)
    for name in ("train/0.png", "val/3.png"):
        labels.save(workspace, ids[name], index_mask(9), expected_revision=0, author="anna")
        labels.save(workspace, ids[name], empty, expected_revision=1, author="anna")
    queue.release_all(workspace, "anna")
    plan = plan_import(split_folders(with_masks=True), workspace=workspace, project_id=project.id)
    assert (plan.masks, plan.left_out) == (9, ())
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.labelled, result.problems, result.left_out) == (6, (), ())
    labelled = [info for info in images.list_images(workspace, project.id) if info.split != "excluded"]
    assert len(labelled) == 6
    for info in labelled:
        begun = info.id in (ids["train/0.png"], ids["val/3.png"])
        label_map, revision = labels.read(workspace, info.id)
        np.testing.assert_array_equal(label_map, index_mask(int(Path(info.name).stem)))
        assert (revision, info.labelled_revision, info.draft_by) == (3 if begun else 1, revision, None)
        assert info.split == ("audit" if info.name.startswith("val/") else "train")


def test_masks_of_images_that_somebody_works_on_or_has_labelled_are_told_of(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(pairs(6), masks_as="ignore"), "tester")
    ids = [info.id for info in images.list_images(workspace, project.id)]
    for image_id, status in zip(ids, ("draft", "submitted", "submitted"), strict=False):
        labels.save(workspace, image_id, index_mask(9), expected_revision=0, author="anna", status=status)
    of_draft = (
        "1 mask left out, masks/0.png: its image has a draft that nobody has submitted. To have the mask "
        "instead, undo or erase all of that draft and import again."
    )
    of_labels = (
        "2 masks left out, such as masks/1.png: the project has other labels of their images, and no import "
        "replaces them. To have the masks instead, correct those labels on the Label page, or import this "
        "source into a new project."
    )

    def plan(files: list[tuple[str, bytes]]) -> ImportPlan:
        return plan_import(files, workspace=workspace, project_id=project.id)

    first = plan(pairs(6))
    assert first.report()[1:4] == ["3 masks used as submitted labels.", of_draft, of_labels]
    result = run_import(workspace, project.id, first, "tester")
    assert (result.labelled, result.problems, result.report()[1:]) == (3, (), [of_draft, of_labels])
    for image_id in ids[:3]:
        np.testing.assert_array_equal(labels.read(workspace, image_id)[0], index_mask(9))

    # What an import brought is not told of when it comes again, also where somebody went on from it.
    labels.save(workspace, ids[3], index_mask(8), expected_revision=1, author="anna", status="submitted")
    again = plan(pairs(6))
    assert [mask.path for mask in again.left_out] == [f"masks/{i}.png" for i in range(3)]
    assert run_import(workspace, project.id, first, "tester").problems == ()
    other = {**dict(pairs(6)), "masks/5.png": encoded(np.zeros(SIZE, np.uint8))}
    assert plan(list(other.items())).left_out[-1].path == "masks/5.png"


def corrected(mask: np.ndarray) -> np.ndarray:
    """Return a mask with as many pixels of every value, and two of them exchanged."""
    other = mask.copy()
    first, second = np.flatnonzero(mask == 0)[0], np.flatnonzero(mask == 1)[0]
    other.flat[[first, second]] = mask.flat[[second, first]]
    return other


def test_a_mask_that_was_corrected_is_told_of_and_replaces_nothing(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    files = dict(pairs(4))
    # What is void and what no class has is translated, and compared as what it became.
    files["masks/3.png"] = encoded(np.where(index_mask(3) == 2, 255, index_mask(3) * 9).astype(np.uint8))
    first = plan_import(list(files.items()), workspace=workspace, project_id=project.id)
    run_import(workspace, project.id, first, "tester")
    same = plan_import(list(files.items()), workspace=workspace, project_id=project.id)
    assert (same.changes, same.left_out) == ((), ())
    assert not any("mask" in line for line in same.report() if "left out" in line)

    files["masks/1.png"] = encoded(corrected(index_mask(1)))
    again = plan_import(list(files.items()), workspace=workspace, project_id=project.id)
    said = (
        "1 mask left out, masks/1.png: the project has another label of its image, and no import replaces "
        "one. To have the mask instead, correct that label on the Label page, or import this source into a "
        "new project."
    )
    assert again.changes == ()
    assert said in again.report()
    assert said in run_import(workspace, project.id, again, "tester").report()
    for number, info in enumerate(images.list_images(workspace, project.id)[:3]):
        np.testing.assert_array_equal(labels.read(workspace, info.id)[0], index_mask(number))


def test_another_mask_that_came_since_the_check_makes_the_planned_one_a_problem(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    plan = plan_import(pairs(2), workspace=workspace, project_id=project.id)
    other = {**dict(pairs(2)), "masks/1.png": encoded(corrected(index_mask(1)))}
    run_import(workspace, project.id, plan_import(list(other.items())), "another")
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.labelled, [problem.name for problem in result.problems]) == (0, ["masks/1.png"])
    second = images.list_images(workspace, project.id)[1]
    np.testing.assert_array_equal(labels.read(workspace, second.id)[0], corrected(index_mask(1)))


def test_a_draft_that_was_begun_since_the_check_stays_and_its_mask_is_a_problem(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "p", [ClassSpec(name) for name in "abc"], "tester")
    run_import(workspace, project.id, plan_import(pairs(2), masks_as="ignore"), "tester")
    plan = plan_import(pairs(2), workspace=workspace, project_id=project.id)
    begun = images.list_images(workspace, project.id)[0]
    labels.save(workspace, begun.id, index_mask(9), expected_revision=0, author="anna")
    result = run_import(workspace, project.id, plan, "tester")
    assert (result.labelled, result.already_there) == (1, 2)
    assert [(problem.name, problem.sentence) for problem in result.problems] == [
        ("masks/0.png", "anna saved a label map of its image in the meantime, so this mask is left out.")
    ]
    np.testing.assert_array_equal(labels.read(workspace, begun.id)[0], index_mask(9))
    assert images.image(workspace, begun.id).split == "pool"


@pytest.mark.parametrize(
    ("imported", "labelled", "drafts", "already_there", "sentence"),
    [
        (4, 0, 0, 0, "4 images imported in 0.8 s."),
        (4, 3, 1, 0, "4 images imported in 0.8 s, 3 with labels, 1 with drafts."),
        (1, 0, 0, 1, "1 image imported in 0.8 s, 1 was there already."),
        (4, 7, 1, 8, "4 images imported in 0.8 s, 8 were there already; 7 gained labels, 1 gained drafts."),
        (0, 8, 0, 8, "8 images were there already; 8 gained labels in 0.8 s."),
        (0, 0, 0, 1, "1 image was there already; nothing was added."),
        (0, 0, 0, 0, "0 images imported in 0.8 s."),
    ],
)
def test_a_result_says_what_is_new_and_what_was_there(
    imported: int, labelled: int, drafts: int, already_there: int, sentence: str
) -> None:
    result = ImportResult(imported, labelled, drafts, 0, already_there, (), seconds=0.8)
    assert result.report() == [sentence]


def test_progress_is_reported_and_may_stop_the_import(workspace: Workspace) -> None:
    plan = plan_import(pairs(5))
    project = projects.create_project(workspace, "p", plan.classes, "tester")
    seen = []

    def stop_at_two(done: int, of: int, name: str) -> None:
        seen.append((done, of, name))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_import(workspace, project.id, plan, "tester", stop_at_two)
    assert seen == [(1, 5, "images/0.png"), (2, 5, "images/1.png")]
    assert len(images.list_images(workspace, project.id)) == 2
    newest = events.recent(workspace, project.id, 1)[0]
    assert (newest.kind, newest.detail["images"], newest.detail["labels"]) == ("import", 2, 2)


def test_rendered_images_join_the_pool_with_hidden_truth(workspace: Workspace) -> None:
    @dataclasses.dataclass(frozen=True)
    class Rendered:
        name: str
        image_file: bytes
        truth: np.ndarray
        group: str | None

    project = projects.create_project(workspace, "p", [ClassSpec("a"), ClassSpec("b"), ClassSpec("c")], "me")
    entries = [Rendered(f"{i}.png", picture(i), index_mask(i), "drive") for i in range(3)]
    result = add_rendered(workspace, project.id, iter(entries), "me")
    assert result.imported == 3
    assert add_rendered(workspace, project.id, iter(entries), "me").already_there == 3
    info = images.list_images(workspace, project.id, "pool")[2]
    assert (info.name, info.group) == ("2.png", "drive")
    np.testing.assert_array_equal(images.truth(workspace, info.id), index_mask(2))
    with pytest.raises(InvalidInput, match="another size"):
        add_rendered(
            workspace, project.id, [Rendered("x", picture(9), np.zeros((2, 2), np.uint8), None)], "me"
        )


def test_what_is_void_and_what_is_not_read_is_said() -> None:
    mask = index_mask(0)
    mask[0, :3] = 255
    files = [("images/0.png", picture(0)), ("masks/0.png", encoded(mask))]
    report = plan_import(files).report()
    assert "Void, which trains nothing: index 255 (3 pixels in 1 mask)." in report
    assert not any("left alone" in line for line in report)
    report = plan_import([*files, ("notes.txt", b"x")]).report()
    assert "1 other file left alone, such as notes.txt." in report
    report = plan_import([*files, ("notes.txt", b"x"), ("instances.json", b"{}")]).report()
    assert any(
        "1 file of another tool left alone, such as instances.json: outlines (COCO" in r for r in report
    )
