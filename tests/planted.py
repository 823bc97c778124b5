"""The planted networks under their old name; they lie in `experiments.planted`."""

from experiments.planted import *  # noqa: F403 (a second name for the whole module)
