import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal, kl_divergence

from core.model.aggregator import AttentionAggregator
from core.model.conditioned_decoder import ConditionedDecoder
from core.model.latent_encoder import Gaussian, LatentEncoder, gaussian_kl
from core.model.np_head import NPHead
from tests.core.small_network import seeded


def filled_head(channels: int = 24, class_count: int = 4, seed: int = 0) -> NPHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = NPHead(channels, class_count)
    features = torch.randn(4, channels, 16, 16, generator=seeded(1))
    labels = torch.randint(0, class_count, (4, 16, 16), generator=seeded(2)).to(torch.uint8)
    head.observe(features, labels, torch.tensor([True, True, False, False]), seeded(3))
    return head


def test_aggregator_ignores_order_of_centres_and_pixels() -> None:
    queries = torch.randn(2, 8, 5, 6, generator=seeded())
    centres = torch.randn(4, 8, generator=seeded(1))
    valid = torch.tensor([True, False, True, True])
    pooled = AttentionAggregator()(queries, centres, valid).vector
    order = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(
        AttentionAggregator()(queries, centres[order], valid[order]).vector, pooled, atol=1e-6
    )
    shuffled = queries.flatten(2)[..., torch.randperm(30, generator=seeded(2))].view_as(queries)
    assert torch.allclose(AttentionAggregator()(shuffled, centres, valid).vector, pooled, atol=1e-6)


def test_aggregator_is_blind_to_invalid_classes() -> None:
    queries = torch.randn(2, 8, 5, 6, generator=seeded())
    centres = torch.randn(3, 8, generator=seeded(1))
    pooled = AttentionAggregator()(queries, centres[:2], torch.tensor([True, True])).vector
    centres[2] = 1e6
    with_invalid = AttentionAggregator()(queries, centres, torch.tensor([True, True, False])).vector
    assert torch.allclose(with_invalid, pooled, atol=1e-6)
    nothing = AttentionAggregator()(queries, centres, torch.zeros(3, dtype=torch.bool))
    assert torch.equal(nothing.vector, torch.zeros(2, 8))
    assert torch.equal(nothing.attention, torch.zeros(2, 3))


def test_aggregator_stays_within_the_hull_of_valid_centres_and_finds_the_nearest() -> None:
    centres = 20 * torch.eye(4)[:, :3] + torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [9, 9, 9]])
    valid = torch.tensor([True, True, True, False])
    described = AttentionAggregator()(torch.randn(3, 3, 6, 6, generator=seeded()), centres, valid)
    assert torch.allclose(described.attention.sum(dim=1), torch.ones(3))
    assert (described.vector >= 0).all()
    assert (described.vector.sum(dim=1) <= 20 + 1e-4).all()
    at_centre = centres[1].view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert torch.allclose(AttentionAggregator()(at_centre, centres, valid).vector, centres[1:2], atol=1e-3)


def test_aggregator_equals_the_softmax_of_negative_distances() -> None:
    queries = torch.randn(2, 16, 3, 3, generator=seeded())
    centres = torch.randn(4, 16, generator=seeded(1))
    distance = (queries[:, None] - centres[None, :, :, None, None]).square().sum(dim=2)
    weights = (-distance / 4).softmax(dim=1)
    expected = torch.einsum("bkhw,kd->bdhw", weights, centres).mean(dim=(2, 3))
    pooled = AttentionAggregator()(queries, centres, torch.ones(4, dtype=torch.bool)).vector
    assert torch.allclose(pooled, expected, atol=1e-5)


def test_kl_is_exact_and_never_negative() -> None:
    draw = torch.randn(4, 64, 8, generator=seeded())
    one = Gaussian(draw[0], 0.1 + F.softplus(draw[1]))
    two = Gaussian(draw[2], 0.1 + F.softplus(draw[3]))
    expected = kl_divergence(Independent(Normal(*one), 1), Independent(Normal(*two), 1))
    assert torch.allclose(gaussian_kl(one, two), expected, rtol=1e-4)
    assert (gaussian_kl(one, two) >= 0).all()
    assert torch.allclose(gaussian_kl(one, one), torch.zeros(64), atol=1e-5)


def test_kl_agrees_with_a_monte_carlo_estimate() -> None:
    draw = torch.randn(4, 1, 4, generator=seeded())
    one = Gaussian(draw[0], 0.1 + F.softplus(draw[1]))
    two = Gaussian(draw[2], 0.1 + F.softplus(draw[3]))
    z = one.mean + one.std * torch.randn(100_000, 4, generator=seeded(1))
    estimate = (Normal(*one).log_prob(z) - Normal(*two).log_prob(z)).sum(dim=1).mean()
    assert torch.allclose(gaussian_kl(one, two), estimate, rtol=0.02)


def test_kl_takes_the_std_for_no_variance() -> None:
    one, two = (
        Gaussian(torch.zeros(1, 1), torch.ones(1, 1)),
        Gaussian(torch.zeros(1, 1), torch.full((1, 1), 2.0)),
    )
    # log 2 + 1/8 − 1/2; the released code, which takes σ for σ², gives half of log 2 − 1/2.
    assert torch.allclose(gaussian_kl(one, two), torch.tensor([0.3181]), atol=1e-3)


def test_latent_std_is_at_least_a_tenth_and_reparameterised() -> None:
    encoder = LatentEncoder(8, 4)
    pooled = torch.full((3, 8), -100.0, requires_grad=True)
    gaussian = encoder(pooled, torch.ones(3))
    assert (gaussian.std >= 0.1).all()
    (gaussian.mean + gaussian.std * torch.randn(3, 4)).sum().backward()
    assert pooled.grad is not None
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_the_latent_moves_the_interior_of_the_logits(side: int) -> None:
    head = filled_head()
    features = torch.randn(1, 24, side, side, generator=seeded(5))
    z = torch.randn(16, 1, 32, generator=seeded(6))
    with torch.no_grad():
        logits = head(features, z, latent="target").logits[:, 0]
    border = side // 4
    interior = logits[..., border:-border, border:-border]
    over_latent = interior.std(dim=0).mean()
    over_pixels = interior.flatten(2).std(dim=2).mean()
    assert over_latent > 0.05 * over_pixels

    padded = F.pad(features, (8, 8, 8, 8), mode="replicate")
    with torch.no_grad():
        inside = head(padded, z, latent="target").logits[
            :, 0, :, 8 + border : -8 - border, 8 + border : -8 - border
        ]
    assert abs(inside.std(dim=0).mean() / over_latent - 1) < 0.1


def test_shared_convolution_equals_decoding_each_sample_by_itself() -> None:
    decoder = ConditionedDecoder(12, 4, 6, 3)
    features = torch.randn(2, 12, 7, 9, generator=seeded())
    z, r = torch.randn(5, 2, 4, generator=seeded(1)), torch.randn(2, 6, generator=seeded(2))
    together = decoder(features, z, r)
    for sample in range(5):
        for image in range(2):
            condition = torch.cat([z[sample, image], r[image]])
            scale, shift = decoder.film(condition)[:, None, None].chunk(2)
            hidden = F.relu((1 + scale) * decoder.shared(features[image : image + 1]) + shift)
            alone = decoder.classify(hidden)[0]
            assert torch.allclose(together[sample, image], alone, atol=1e-5)


def test_samples_are_identical_when_the_spread_is_zero() -> None:
    head = filled_head()
    logits = head(
        torch.randn(2, 24, 8, 8, generator=seeded()), torch.zeros(4, 2, 32), latent="context"
    ).logits
    assert torch.equal(logits, logits[:1].expand_as(logits))


def test_permuting_samples_permutes_logits() -> None:
    head = filled_head()
    features = torch.randn(3, 24, 8, 8, generator=seeded())
    noise = head.draw_noise(4, 3, seeded(1))
    order = torch.tensor([2, 0, 3, 1])
    logits = head(features, noise, latent="context").logits
    assert torch.allclose(head(features, noise[order], latent="context").logits, logits[order], atol=1e-6)
    assert torch.allclose(
        head(features[[1]], noise[:, [1]], latent="context").logits, logits[:, [1]], atol=1e-5
    )


def test_forward_only_reads_the_memory_and_observe_writes_it() -> None:
    head = filled_head()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    features = torch.randn(2, 24, 8, 8, generator=seeded())
    head(features, head.draw_noise(2, 2, seeded()), latent="context")
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())

    labels = torch.full((2, 8, 8), 255, dtype=torch.uint8)
    labels[1] = 2
    head.observe(features, labels, torch.tensor([True, False]))
    assert torch.equal(head.context.rows, before["context.rows"])
    assert not torch.equal(head.target.rows, before["target.rows"])


def test_kl_is_zero_while_a_memory_is_empty() -> None:
    head = NPHead(24, 4)
    features = torch.randn(2, 24, 8, 8, generator=seeded())
    noise = head.draw_noise(3, 2, seeded())
    assert head(features, noise, latent="target").kl.tolist() == [0, 0]
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    head.observe(features, labels, torch.tensor([False, False]))
    output = head(features, noise, latent="target")
    assert output.kl.tolist() == [0, 0]
    assert output.logits.isfinite().all()


def test_the_latent_differs_between_images() -> None:
    head = filled_head()
    features = torch.randn(2, 24, 8, 8, generator=seeded())
    features[1] *= torch.linspace(-2, 2, 24)[:, None, None]
    queries = head.projector(features)
    centres = head.target.centres()
    pooled = head.aggregator(queries, centres.means, centres.counts > 0).vector
    assert not torch.allclose(pooled[0], pooled[1], atol=1e-4)


def test_context_and_target_latents_can_both_be_drawn_from() -> None:
    head = filled_head()
    features = torch.randn(2, 24, 8, 8, generator=seeded())
    noise = head.draw_noise(2, 2, seeded())
    target, context = (head(features, noise, latent=latent).logits for latent in ("target", "context"))
    assert not torch.equal(target, context)


def test_a_small_context_set_has_less_evidence_and_changes_the_description() -> None:
    head = filled_head()
    queries = head.projector(torch.randn(2, 24, 8, 8, generator=seeded()))
    chosen = torch.zeros(head.context.rows.shape[:2], dtype=torch.bool)
    chosen[:, 0] = True
    few, many = head.context.centres(chosen), head.context.centres()
    assert few.counts.tolist() == [1, 1, 1, 1]
    assert (many.counts > few.counts).all()
    noise = head.draw_noise(2, 2, seeded())
    features = torch.randn(2, 24, 8, 8, generator=seeded(1))
    whole = head(features, noise, latent="context")
    small = head(features, noise, latent="context", context_set=chosen)
    assert not torch.allclose(whole.logits, small.logits, atol=1e-4)
    assert not torch.equal(head._described(queries, few)[1].std, head._described(queries, many)[1].std)


def test_context_sets_are_seeded_and_of_all_sizes() -> None:
    head = NPHead(24, 4)
    assert torch.equal(head.draw_context_set(seeded(3)), head.draw_context_set(seeded(3)))
    generator = seeded()
    shares = torch.stack([head.draw_context_set(generator).float().mean() for _ in range(200)])
    assert shares.min() < 0.01
    assert shares.max() > 0.9
    assert abs(shares.mean() - 1 / 3) < 0.08


def test_a_global_code_reaches_the_middle_of_a_large_map() -> None:
    """A pixel's class is its own bit and a code the whole image shares, which only z and r can carry."""
    generator = seeded()
    head = NPHead(8, 4)
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)

    def toy(side: int) -> tuple[torch.Tensor, torch.Tensor]:
        bit = torch.randint(0, 2, (8, side, side), generator=generator)
        code = torch.arange(8) % 2
        features = 0.1 * torch.randn(8, 8, side, side, generator=generator)
        features[:, 0] += bit
        # The code stands in one corner alone: no pixel elsewhere can see it.
        corner = side // 3
        features[:, 1, :corner, :corner] += 8 * code[:, None, None]
        return features, bit + 2 * code[:, None, None]

    for _ in range(80):
        features, labels = toy(24)
        output = head(features, head.draw_noise(2, 8, generator), latent="target")
        F.cross_entropy(output.logits.flatten(0, 1), labels.repeat(2, 1, 1)).backward()
        optimiser.step()
        optimiser.zero_grad()
        head.observe(features, labels.to(torch.uint8), torch.ones(8, dtype=torch.bool), generator)
    features, labels = toy(64)
    with torch.no_grad():
        found = head(features, head.draw_noise(4, 8, generator), latent="context").logits.mean(0).argmax(1)
    elsewhere = (slice(None), slice(22, None), slice(22, None))
    assert (found[elsewhere] == labels[elsewhere]).float().mean() > 0.85
