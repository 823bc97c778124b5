"""Judge and draw the structure of any recurrently applied weight matrix.

Knows arrays only; never imports urn. Names are loaded when they are first asked for, so that
`import analysis` costs nothing.

To read how a verdict comes about: effective.py, layers.py, a module of verdicts/, judge.py.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.causal import lesions
    from analysis.faithful import faithfulness
    from analysis.flatten.module import from_module
    from analysis.graph import to_networkx
    from analysis.judge import analyse
    from analysis.network import FlatNetwork, flat_network
    from analysis.report import StructureReport
    from analysis.verdicts import Verdict

__all__ = [
    "FlatNetwork",
    "StructureReport",
    "Verdict",
    "analyse",
    "faithfulness",
    "flat_network",
    "from_module",
    "lesions",
    "to_networkx",
]

_HOMES = {
    "FlatNetwork": "analysis.network",
    "StructureReport": "analysis.report",
    "Verdict": "analysis.verdicts",
    "analyse": "analysis.judge",
    "faithfulness": "analysis.faithful",
    "flat_network": "analysis.network",
    "from_module": "analysis.flatten.module",
    "lesions": "analysis.causal",
    "to_networkx": "analysis.graph",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
