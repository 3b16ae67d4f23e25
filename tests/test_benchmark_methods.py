"""What a benchmark compares the product with is what its name says."""

import math
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

from uncertainty import ChannelAttention


def test_each_channel_of_a_pixel_attends_to_the_centres_by_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 5, 3, 4, generator=generator)
    centres = torch.randn(4, 5, generator=generator)
    valid = torch.tensor([True, False, True, True])
    found = ChannelAttention()(queries, centres, valid)
    classes = [index for index in range(4) if valid[index]]
    for image in range(2):
        attention, vector = [0.0] * 4, [0.0] * 5
        for y in range(3):
            for x in range(4):
                for channel in range(5):
                    query = float(queries[image, channel, y, x])
                    near = {k: math.exp(-((query - float(centres[k, channel])) ** 2)) for k in classes}
                    for k in classes:
                        weight = near[k] / sum(near.values()) / 12  # of twelve pixels
                        attention[k] += weight / 5  # and five channels
                        vector[channel] += weight * float(centres[k, channel])
        assert torch.allclose(found.vector[image], torch.tensor(vector), atol=1e-5)
        assert torch.allclose(found.attention[image], torch.tensor(attention), atol=1e-5)
    nothing = ChannelAttention()(queries, centres, torch.zeros(4, dtype=torch.bool))
    assert torch.equal(nothing.vector, torch.zeros(2, 5))
