"""What a benchmark compares the product with is what its name says."""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import frozen_encoder
from uncertainty import ChannelAttention

from core.model.linear_head import LinearHead


def test_kept_feature_maps_are_what_a_network_of_the_protocol_reads() -> None:
    images = torch.randint(256, (3, 3, 32, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.zeros(3, 60, 90, dtype=torch.uint8)
    kept = frozen_encoder.encoded(images, labels, images[:1])
    assert kept["views"].shape == (4, 3, 704, 2, 3)
    assert kept["labels"].shape == (3, 8, 12)
    assert torch.allclose(kept["test"], kept["views"][0, :1], atol=0.01)
    network = frozen_encoder.frozen_network(LinearHead, 2, seed=0)
    features, embedding = network.encode(kept["test"])
    assert features.shape == (1, frozen_encoder.CHANNELS, 8, 12)
    deep = kept["test"].float()[:, frozen_encoder.LOW_CHANNELS * 16 :]
    assert torch.allclose(embedding, F.normalize(deep.mean(dim=(2, 3)), dim=1), atol=1e-3)


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
