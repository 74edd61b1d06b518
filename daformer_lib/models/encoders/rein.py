"""Rein: a few learnt tokens change a frozen ViT's features, block by block.

Wei et al., arXiv:2312.04265. The patches f of an image (N x C), behind block i, which has m tokens
of a low rank, T = A B (m x C):

    S = softmax(f T' / sqrt(C))              how alike a patch and each token are
    f <- f + s ((f + S[1:] (T[1:] W + b)) V + c)

W, b, V, c and the scale s, which begins at 0.001, are those of all blocks. The first token says
nothing: a patch that is most like it is left alone. Class and register tokens stay. Departs from
the paper: the tokens become no queries of the head, which has none here.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from daformer_lib.models.encoders.vit import require_vit


class Rein(nn.Module):
    """What learns, of all blocks.

    Args:
        tokens, rank, width: m, the rank of T, and C. patch: its side in pixels, on which depends
            how widely the first tokens are spread.
    """

    def __init__(self, blocks: int, tokens: int, rank: int, width: int, patch: int) -> None:
        super().__init__()
        self.tokens_a = nn.Parameter(torch.empty(blocks, tokens, rank))
        self.tokens_b = nn.Parameter(torch.empty(blocks, rank, width))
        self.to_feature = nn.Linear(width, width)  # W, b
        self.change = nn.Linear(width, width)  # V, c
        self.scale = nn.Parameter(torch.tensor(0.001))
        spread = math.sqrt(6 / (3 * patch**2 + math.sqrt(width * rank)))  # as the authors' code
        for factor in (self.tokens_a, self.tokens_b):
            nn.init.uniform_(factor, -spread, spread)

    def forward(self, patches: Tensor, block: int) -> Tensor:
        """Features (B, N, C) behind that block, counted from 0, changed."""
        tokens = self.tokens_a[block] @ self.tokens_b[block]  # (m, C)
        likeness = (patches @ tokens.T / math.sqrt(patches.shape[-1])).softmax(-1)  # (B, N, m)
        said = likeness[..., 1:] @ self.to_feature(tokens[1:])
        return patches + self.scale * self.change(patches + said)

    def behind(self, block: int, prefix: int, _: nn.Module, args: tuple, out: Tensor) -> Tensor:
        """A forward hook of that block: all but the first `prefix` tokens change."""
        return torch.cat([out[:, :prefix], self(out[:, prefix:], block)], dim=1)


def add_rein(encoder: nn.Module, tokens: int, rank: int) -> None:
    """Give a frozen ViT tokens that learn, in place.

    Raises:
        ValueError: another encoder.
    """
    require_vit(encoder, "rein")
    body = encoder.body
    encoder.rein = Rein(len(body.blocks), tokens, rank, body.embed_dim, encoder.patch)
    # The authors' code decays neither; a hook is copied with its network, as teachers are made.
    encoder.without_decay += ("tokens_a", "tokens_b", "rein.scale")
    for block, module in enumerate(body.blocks):
        module.register_forward_hook(partial(encoder.rein.behind, block, body.num_prefix_tokens))
