"""The things that a street is furnished with, each drawn by a function of its own."""
