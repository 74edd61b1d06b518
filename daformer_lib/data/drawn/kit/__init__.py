"""The drawing kit: a camera, paint, palettes, solids, and what a lens does to a picture."""
