"""Judge and draw the structure of any recurrently applied weight matrix. Knows arrays only; never imports urn."""

from analysis.causal import lesions
from analysis.graph import to_networkx
from analysis.judge import StructureReport, analyse
from analysis.network import FlatNetwork, flat_network
from analysis.verdicts import Verdict

__all__ = [
    "FlatNetwork",
    "StructureReport",
    "Verdict",
    "analyse",
    "flat_network",
    "lesions",
    "to_networkx",
]
