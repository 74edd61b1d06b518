"""A street: its layout, its sides, and what moves on it."""
