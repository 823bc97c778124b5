"""Judge and draw the structure of any recurrently applied weight matrix. Knows arrays only; never imports urn."""

from analysis.causal import lesions
from analysis.graph import to_networkx
from analysis.judge import StructureReport, analyse
from analysis.verdicts import Verdict

__all__ = ["StructureReport", "Verdict", "analyse", "lesions", "to_networkx"]
