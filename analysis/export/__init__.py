"""Take a network away: as layers with source code in PyTorch, or as a graph in the formats of others. Knows arrays only."""

from analysis.export.exact import ExactGraph, exact_graph
from analysis.export.plan import Plan, plan
from analysis.export.portable import FORMATS, Portable
from analysis.export.source import Exported, layered_source, recurrent_source

__all__ = [
    "FORMATS",
    "ExactGraph",
    "Exported",
    "Plan",
    "Portable",
    "exact_graph",
    "layered_source",
    "plan",
    "recurrent_source",
]
