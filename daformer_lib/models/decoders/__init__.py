"""Decoders: four features of an encoder -> logits (B, K, h, w). `builder.py` has their numbers."""
