"""Take a network away: as layers with source code in PyTorch, or as a graph for other programs.

Knows arrays only.
"""

from analysis.export.exact import ExactGraph, exact_graph
from analysis.export.formats import FORMATS, Format, register_format
from analysis.export.plan import Plan, plan
from analysis.export.portable import Portable
from analysis.export.source import Exported, layered_source, recurrent_source

__all__ = [
    "FORMATS",
    "ExactGraph",
    "Exported",
    "Format",
    "Plan",
    "Portable",
    "exact_graph",
    "layered_source",
    "plan",
    "recurrent_source",
    "register_format",
]
