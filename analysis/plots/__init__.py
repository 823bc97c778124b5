"""Figures of networks. Every function takes arrays and returns a `matplotlib.figure.Figure`; none writes or shows."""

from analysis.plots.matrix import sorted_matrix

__all__ = ["sorted_matrix"]
