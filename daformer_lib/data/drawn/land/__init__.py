"""Fields from above: where they lie, what grows on them, and the seasons."""
