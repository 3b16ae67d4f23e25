"""Attention of an image's pixels over the class centres of the memory."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn


class Description(NamedTuple):
    """Images in terms of class centres."""

    vector: torch.Tensor
    """``(B, D)``, the centres averaged by attention; zero without a valid centre."""
    attention: torch.Tensor
    """``(B, C)``, mean attention of the pixels to each class; sums to 1, or is zero without a valid one."""


class AttentionAggregator(nn.Module):
    """Describe an image by the class centres its pixels are closest to.

    Scalar attention: a pixel's weight of class k is the softmax of −|q − c_k|² / temperature, which
    equals the softmax of (2 q·c_k − |c_k|²) / temperature. Only the pooled vector is needed, so the
    weights are averaged over pixels before they meet the centres. (NP-SemiSeg's aggregator; the
    released code attends per channel.)
    """

    def forward(self, queries: torch.Tensor, centres: torch.Tensor, valid: torch.Tensor) -> Description:
        """Describe ``(B, D, h, w)`` queries by ``(C, D)`` centres.

        Centres with ``valid`` False, ``(C,)`` bool, have no effect.
        """
        with torch.autocast(queries.device.type, enabled=False):
            pixels = queries.float().flatten(2).transpose(1, 2)
            centres = centres.float() * valid[:, None]
            closeness = 2 * pixels @ centres.T - centres.square().sum(dim=1)
            closeness = closeness / math.sqrt(queries.shape[1])
            closeness = closeness.masked_fill(~valid, torch.finfo(closeness.dtype).min)
            attention = closeness.softmax(dim=2).mean(dim=1) * valid
            return Description(attention @ centres, attention)
