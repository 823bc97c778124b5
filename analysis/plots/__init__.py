"""Figures of networks.

Every function takes arrays and returns a `matplotlib.figure.Figure`; none writes or shows.
"""

from analysis.plots.charts import activity, block_density, null_distributions, path_depths
from analysis.plots.fields import kernels, receptive_fields
from analysis.plots.growth import distributions, growth_curves, sparsity_curves
from analysis.plots.history import structure_over_training
from analysis.plots.kinds import colours
from analysis.plots.layered import layered_graph
from analysis.plots.maps import heat_map, phase_map, phases
from analysis.plots.matrix import sorted_matrix
from analysis.plots.panels import dial, sorted_matrices
from analysis.plots.planes import measure_plane, pareto_front, trade_off

__all__ = [
    "activity",
    "block_density",
    "colours",
    "dial",
    "distributions",
    "growth_curves",
    "heat_map",
    "kernels",
    "layered_graph",
    "measure_plane",
    "null_distributions",
    "pareto_front",
    "path_depths",
    "phase_map",
    "phases",
    "receptive_fields",
    "sorted_matrices",
    "sorted_matrix",
    "sparsity_curves",
    "structure_over_training",
    "trade_off",
]
