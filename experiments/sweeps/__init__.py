"""Sweeps: what emerges at which strengths.

A sweep file names the points, a store keeps what became of each, an engine trains them as
populations, pictures show the whole. `urn sweep` is the command.
"""
