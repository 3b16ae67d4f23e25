"""The demo world: repeatable, textured, with exact truth, a rare class, revisits and hard scenes."""

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from core import demo_world
from core.demo_world import CLASSES, CROP, SKY, SOIL, STONE, WEED, Scene

SMALL = (96, 128)


@pytest.fixture(scope="module")
def world() -> list[Scene]:
    return list(demo_world.scenes(160, seed=0, size=SMALL))


def test_scenes_have_the_size_asked_for_and_known_classes(world: list[Scene]) -> None:
    for scene in world:
        assert scene.image.shape == (*SMALL, 3)
        assert scene.image.dtype == np.uint8
        assert scene.truth.shape == SMALL
        assert scene.truth.dtype == np.uint8
        assert scene.truth.max() < len(CLASSES)
    assert len({scene.name for scene in world}) == 160
    image, truth = demo_world.render_scene(3, (70, 50))
    assert image.shape == (70, 50, 3)
    assert truth.shape == (70, 50)


def test_equal_seeds_give_equal_scenes_and_the_first_do_not_depend_on_the_count(world: list[Scene]) -> None:
    for one, other in zip(world, islice(demo_world.scenes(1000, seed=0, size=SMALL), 8), strict=False):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth, other.truth)
        assert (one.name, one.group) == (other.name, other.group)
    different = next(demo_world.scenes(1, seed=1, size=SMALL))
    assert (different.image != world[0].image).any()


def test_the_shares_of_classes_leave_one_rare(world: list[Scene]) -> None:
    pixels = np.bincount(np.concatenate([scene.truth.ravel() for scene in world]), minlength=5)
    share = pixels / pixels.sum()
    assert share[SKY] > 0.05
    assert share[SOIL] > 0.3
    assert share[CROP] > 0.1
    assert share[WEED] > 0.02
    with_stones = np.mean([(scene.truth == STONE).any() for scene in world])
    assert 0.03 < with_stones < 0.15
    assert 0 < share[STONE] < 0.005


def test_revisits_look_like_the_scene_before_but_are_not_equal(world: list[Scene]) -> None:
    first: dict[str, Scene] = {}
    agreements = []
    for scene in world:
        if scene.group in first:
            assert (scene.image != first[scene.group].image).any()
            agreements.append((scene.truth == first[scene.group].truth).mean())
        first.setdefault(scene.group, scene)
    assert 0.12 < len(agreements) / len(world) < 0.28
    others = [(one.truth == other.truth).mean() for one, other in zip(world, world[7:], strict=False)]
    assert np.mean(agreements) > np.mean(others) + 0.15


def test_scenes_are_textured_and_differ_in_difficulty(world: list[Scene]) -> None:
    def detail(scene: Scene) -> float:
        grey = scene.image.mean(axis=2)
        return float(np.abs(np.diff(grey, axis=1))[scene.truth[:, 1:] == SOIL].mean())

    details = np.array([detail(scene) for scene in world])
    brightness = np.array([scene.image.mean() for scene in world])
    assert details.min() > 0.5
    assert np.quantile(details, 0.9) > 2 * np.quantile(details, 0.1)
    assert np.quantile(brightness, 0.95) > 1.8 * np.quantile(brightness, 0.05)


def test_the_truth_is_where_things_are(world: list[Scene]) -> None:
    greener = []
    for scene in world:
        green = scene.image[..., 1].astype(float) - scene.image[..., 0]
        if (scene.truth == CROP).sum() > 200:
            greener.append(green[scene.truth == CROP].mean() > green[scene.truth == SOIL].mean() + 2)
        sky_rows, ground_rows = (
            np.flatnonzero(row) for row in ((scene.truth == SKY).any(1), (scene.truth != SKY).all(1))
        )
        if sky_rows.size:
            assert sky_rows.max() < ground_rows.max()
    assert np.mean(greener) > 0.95


def test_rendered_entries_are_files_of_the_same_scenes() -> None:
    (entry,) = demo_world.rendered_entries(1, seed=0)
    scene = next(demo_world.scenes(1, seed=0))
    shown = Image.open(io.BytesIO(entry.image_file))
    assert shown.format == "JPEG"
    assert np.abs(np.asarray(shown).astype(int) - scene.image).mean() < 4
    np.testing.assert_array_equal(entry.truth, scene.truth)
    assert (entry.name, entry.group) == (scene.name, scene.group)
