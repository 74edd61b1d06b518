"""Rows of the mini domains, one for each network that they have between them."""

from __future__ import annotations

from daformer_lib.runs import recipes

# Rows of the smaller tiny encoders, which the profiles small and full do not have.
SIZES = [
    row
    for row in recipes.ROWS
    if row.startswith(("cnn_half", "cnn_quarter", "mit_half", "mit_quarter"))
]


def one_of_each_network() -> list[str]:
    found = {}
    for row in recipes.ROWS:
        model = recipes.experiment(row, "demo").model
        found.setdefault((model.encoder, model.decoder), row)
    return list(found.values())
