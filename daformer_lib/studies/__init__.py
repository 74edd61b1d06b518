"""Studies: tables of runs, their notebooks, and what must hold in the drawn world for them."""
