"""The tools that plant networks under their old name; they lie in `experiments.planting`."""

from experiments.planting import *  # noqa: F403 (a second name for the whole module)
