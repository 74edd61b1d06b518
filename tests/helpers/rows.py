"""Rows of the mini domains, one for each network that they have between them."""

from __future__ import annotations

from daformer_lib.runs import recipes


def one_of_each_network() -> list[str]:
    found = {}
    for row in recipes.ROWS:
        model = recipes.experiment(row, "demo").model
        found.setdefault((model.encoder, model.decoder), row)
    return list(found.values())
