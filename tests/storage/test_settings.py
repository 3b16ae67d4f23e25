from typing import get_args

import pytest

from storage.settings import Preset, RoundSettings, with_preset


@pytest.mark.parametrize("preset", get_args(Preset))
def test_presets_are_valid_and_leave_the_rest_alone(preset: Preset) -> None:
    before = RoundSettings(seed=5, weights="/somewhere", recipe="supervised", head="linear")
    after = with_preset(before, preset)
    assert RoundSettings.model_validate(after.model_dump()) == after
    assert (after.seed, after.weights, after.recipe, after.head) == (5, "/somewhere", "supervised", "linear")
    assert after.crop % 32 == 0  # no encoder needs its crops continued
    assert after.crop <= after.long_side


def test_a_new_project_has_the_preset_cpu_and_one_can_go_back_to_it() -> None:
    own = RoundSettings()
    assert with_preset(own, "cpu") == own
    assert with_preset(with_preset(own, "best"), "cpu") == own
    assert with_preset(with_preset(own, "best"), "gpu") == with_preset(own, "gpu")


def test_a_crop_has_whole_cells() -> None:
    assert [RoundSettings(crop=side).crop for side in (160, 161, 164)] == [160, 164, 164]
