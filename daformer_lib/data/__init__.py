"""Data: the drawn mini domains, and how any data set is read, changed, sampled and batched."""
