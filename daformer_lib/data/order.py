"""Random order without memory: the generator of sample n, and the n-th element of a shuffle.

Both are functions of (seed, n) alone, so a run can go on anywhere and workers need no agreement.
The authors (lhoyer/DAFormer, UDADataset) shuffle the product of source and target in memory, 74
million pairs for GTA and Cityscapes; `Shuffle` computes such an order instead of storing it.
"""

from __future__ import annotations

import numpy as np

_STREAMS = {"order": 0, "labelled": 1, "unlabelled": 2}  # part of every seed: never renumber


def generator(seed: int, stream: str, number: int) -> np.random.Generator:
    """The generator of one sample; different in every stream and for every number."""
    sequence = np.random.SeedSequence(seed, spawn_key=(_STREAMS[stream], number))
    return np.random.Generator(np.random.PCG64(sequence))


class Shuffle:
    """A random order of 0..size-1 that can be asked at any position; a new one every epoch.

    A Feistel network permutes the smallest square of a power of two that holds ``size``; a value
    outside is sent through again until it falls inside (Black and Rogaway, 2002).
    """

    ROUNDS = 4

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._bits = max(1, ((size - 1).bit_length() + 1) // 2)  # of each half
        self._keys: tuple[int, tuple[int, ...]] = (-1, ())

    def __getitem__(self, draw: int) -> int:
        epoch, value = divmod(draw, self.size)
        keys = self._epoch_keys(epoch)
        value = self._permute(value, keys)
        while value >= self.size:
            value = self._permute(value, keys)
        return value

    def _epoch_keys(self, epoch: int) -> tuple[int, ...]:
        if self._keys[0] != epoch:
            words = generator(self.seed, "order", epoch).integers(0, 2**63, self.ROUNDS)
            self._keys = (epoch, tuple(int(word) for word in words))
        return self._keys[1]

    def _permute(self, value: int, keys: tuple[int, ...]) -> int:
        mask = (1 << self._bits) - 1
        left, right = value >> self._bits, value & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        return left << self._bits | right


def _mix(value: int) -> int:
    """SplitMix64's scrambling of a 64-bit number."""
    value = (value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)


class PairOrder:
    """Without RCS: which labelled and which target image meet at draw n."""

    def __init__(self, labelled: int, targets: int, seed: int) -> None:
        self.targets = max(1, targets)
        self._order = Shuffle(labelled * self.targets, seed)

    def __getitem__(self, draw: int) -> tuple[int, int]:
        """(labelled index, target index)"""
        return divmod(self._order[draw], self.targets)
