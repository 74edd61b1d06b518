"""The drawing kit of the mini domains: a camera, things to draw, and what a lens does to them.

Everything here is our own procedural art: no pixel comes from a real data set. Units are metres in
the world and pixels of the finished image on the screen; colours are RGB floats in [0, 255].
"""
