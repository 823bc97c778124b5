"""Charts of single measures: path depths, activity per iteration, block densities, null models.

Draws given numbers; computes none of the measures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from analysis.network import Floats
from analysis.ordering import Group, layer_groups
from analysis.plots.matrix import group_edges, magnitude_norm
from analysis.plots.style import (
    FONT,
    GREY,
    INK,
    MAGNITUDE,
    SKY,
    VERMILION,
    new_figure,
    plain_axes,
    titled,
)

# Points. By judgement: these figures are smaller than the others, and so is their title.
TITLE = FONT + 2

# Density. By judgement: above it the cell is dark enough for white text.
DARK_CELL = 0.45

# Bins of a histogram. By judgement: enough for the tail of 1000 draws.
N_BINS = 25


def path_depths(shares: ArrayLike, *, title: str | None = None) -> Figure:
    """Bars of the path-depth distribution, with its mean, the effective depth, marked.

    Parameters
    ----------
    shares : (n,) array
        Not negative; `shares[k]` of the flow runs along paths with k nonlinear nodes.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For other shapes, negative values and a sum of zero.
    """
    shares = np.asarray(shares, dtype=float)
    if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() <= 0:
        raise ValueError(
            "shares must be a vector of values that are not negative, with a positive sum"
        )
    flow = shares / shares.sum()
    mean = float(flow @ np.arange(len(flow)))

    figure = new_figure(3.4, 2.5)
    axes = figure.add_subplot()
    bars = axes.bar(range(len(flow)), flow, color=SKY, edgecolor=INK, linewidth=0.6)
    percents = [f"{share:.0%}" if share >= 0.005 else "" for share in flow]
    axes.bar_label(bars, percents, fontsize=FONT - 1, padding=1)
    triangle: dict[str, Any] = {"color": VERMILION, "markersize": 8, "markeredgecolor": INK}
    axes.plot([mean], [0], "^", **triangle, clip_on=False, zorder=5)

    axes.set_title(f"effective depth {mean:.2f} (triangle)", fontsize=FONT, color=INK)
    axes.set_xticks(range(len(flow)))
    axes.set_ylim(0, flow.max() * 1.12)
    axes.set_xlabel("nonlinear nodes on the path")
    axes.set_ylabel("share of the flow")
    plain_axes(axes)
    return titled(figure, title, TITLE)


def activity(
    activity: ArrayLike,
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    title: str | None = None,
) -> Figure:
    """Mean |activity| of every used neuron at every iteration.

    A layered network shows a staircase (each layer fires once), a recurrent one or a residual
    stream shows rows that are filled throughout. White is exactly zero. Within a layer neurons are
    ordered by the iteration at which they fire most.

    Parameters
    ----------
    activity : (I + 1, S) array
        Mean |N_i(l)| over the data.
    layer_of : dict of int to int
        {neuron: layer} of the used neurons, as for `sorted_matrix`.
    n_inputs, n_outputs : int
        Sizes of the two ends of the vector.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For `activity` of another shape, not finite or negative; `layer_of` empty or out of range.
    """
    activity = np.asarray(activity, dtype=float)
    if activity.ndim != 2 or not np.isfinite(activity).all() or (activity < 0).any():
        raise ValueError(
            "activity must be (iterations + 1, neurons), finite and not negative,"
            f" got {activity.shape}"
        )
    groups = layer_groups(layer_of, activity.shape[1], n_inputs, n_outputs)
    if not groups:
        raise ValueError("layer_of must name at least one neuron")
    groups = _by_mean_iteration(activity, groups)

    figure = new_figure(0.55 * len(activity) + 2.4, 4.6)
    axes = figure.add_subplot()
    norm = magnitude_norm(activity)
    _draw_activity(axes, activity, groups, norm)

    if norm is not None:
        bar = figure.colorbar(ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.7, pad=0.03)
        bar.set_label("mean |activity|   (white: not firing)", fontsize=FONT)
        bar.ax.tick_params(labelsize=FONT)
    return titled(figure, title, TITLE)


def block_density(
    density: ArrayLike,
    names: Sequence[str],
    *,
    mass_share: ArrayLike | None = None,
    title: str | None = None,
) -> Figure:
    """Table of how densely each pair of groups is joined, shaded by density.

    Parameters
    ----------
    density : (G, G) array
        `[a, b]` from group b to group a, from 0 to 1; NaN where there are no pairs. Empty blocks
        show a dot.
    names : sequence of str
        Of the G groups.
    mass_share : (G, G) array or None
        Share of all |weight|, printed under the density.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For shapes that do not fit and densities outside 0 .. 1.
    """
    density = np.asarray(density, dtype=float)
    if density.ndim != 2 or density.shape != (len(names), len(names)):
        raise ValueError(
            f"density must have shape ({len(names)}, {len(names)}), got {density.shape}"
        )
    if np.nanmin(density, initial=0.0) < 0 or np.nanmax(density, initial=0.0) > 1:
        raise ValueError("density must lie between 0 and 1")
    shares = None if mass_share is None else np.asarray(mass_share)
    if shares is not None and shares.shape != density.shape:
        raise ValueError(f"mass_share must have shape {density.shape}, got {shares.shape}")

    side = 0.62 * len(names)
    figure = new_figure(side + 1.8, side + 1.2)
    axes = figure.add_subplot()
    _draw_densities(axes, density, shares)

    axes.set_xticks(range(len(names)), names, rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.tick_top()
    note = "" if shares is None else "   (density; below it the share of all |weight|)"
    axes.set_xlabel(f"from{note}")
    axes.set_ylabel("to")
    plain_axes(axes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return titled(figure, title, TITLE)


def null_distributions(
    observed: Mapping[str, float],
    draws: Mapping[str, Sequence[float]],
    *,
    p_values: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """One panel a measure: histogram of its null draws and a line at the observed value.

    Parameters
    ----------
    observed : dict of str to float
        {name: value}.
    draws : dict of str to (n,) array
        {name: values}, the same names.
    p_values : dict of str to float, or None
        {name: p}, printed where given.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        When names differ, or draws are empty or not finite.
    """
    if not observed or set(observed) != set(draws):
        raise ValueError(
            f"draws must have the names of observed, {sorted(observed)}, got {sorted(draws)}"
        )

    columns = min(len(observed), 4)
    rows = -(-len(observed) // columns)
    figure = new_figure(1.75 * columns + 0.6, 1.75 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, value) in zip(panels, observed.items(), strict=False):
        p_value = None if p_values is None else p_values.get(name)
        heading = name if p_value is None else f"{name}\np = {p_value:.2g}"
        _draw_null(axes, heading, value, _finite_draws(name, draws[name]))
    for axes in panels[len(observed) :]:
        axes.set_axis_off()

    figure.supxlabel("null draws (grey) and the observed value (line)", fontsize=FONT)
    return titled(figure, title, TITLE)


def _by_mean_iteration(activity: Floats, groups: Sequence[Group]) -> list[Group]:
    """The groups, their neurons ordered by the mean iteration of their activity (I + 1, S)."""
    iteration = np.arange(len(activity))[:, None]
    total = np.where(activity.any(axis=0), activity.sum(axis=0), 1.0)
    mean = (activity * iteration).sum(axis=0) / total
    return [(name, members[np.argsort(mean[members], kind="stable")]) for name, members in groups]


def _draw_activity(
    axes: Axes, activity: Floats, groups: Sequence[Group], norm: LogNorm | None
) -> None:
    """The groups one below the other, a column an iteration, with a line between groups."""
    left = -0.5
    right = len(activity) - 0.5
    edges = group_edges([len(members) for _, members in groups])
    for (_, members), top, bottom in zip(groups, edges, edges[1:], strict=False):
        axes.imshow(
            np.ma.masked_equal(activity[:, members].T, 0.0),
            cmap=MAGNITUDE,
            norm=norm,
            aspect="auto",
            interpolation="nearest",
            extent=(left, right, bottom, top),
        )

    borders = [[(left, y), (right, y)] for y in edges]
    axes.add_collection(LineCollection(borders, colors=GREY, linewidths=0.7))
    axes.set(xlim=(left, right), ylim=(1, 0), xlabel="iteration l", xticks=range(len(activity)))
    names = [f"{name} ({len(members)})" for name, members in groups]
    axes.set_yticks((edges[:-1] + edges[1:]) / 2, names)
    axes.tick_params(axis="y", length=0)
    plain_axes(axes)


def _draw_densities(axes: Axes, density: Floats, mass_share: Floats | None) -> None:
    """A shaded cell a block, with a frame around it and its numbers in it."""
    # White is empty; the square root keeps sparse blocks apart from empty ones.
    shown = np.ma.masked_equal(np.nan_to_num(density), 0.0)
    axes.imshow(shown, cmap="Blues", norm=PowerNorm(0.5, 0, 1.2))

    borders = np.arange(len(density) + 1) - 0.5
    upright = [[(x, borders[0]), (x, borders[-1])] for x in borders]
    across = [[(borders[0], y), (borders[-1], y)] for y in borders]
    axes.add_collection(LineCollection(upright + across, colors=GREY, linewidths=0.4))

    for row, column in np.ndindex(*density.shape):
        value = density[row, column]
        text = "·" if not value > 0 else f"{value:.2f}" if value >= 0.005 else "<.01"
        if mass_share is not None and value > 0:
            text += f"\n{mass_share[row][column]:.0%}"
        colour = "white" if value > DARK_CELL else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=FONT, color=colour)


def _finite_draws(name: str, draws: Sequence[float]) -> Floats:
    """The draws of a measure as a vector; ValueError where they are none, or not finite."""
    sample = np.asarray(draws, dtype=float)
    if sample.ndim != 1 or not sample.size or not np.isfinite(sample).all():
        raise ValueError(f"draws of {name!r} must be a finite vector")
    return sample


def _draw_null(axes: Axes, heading: str, observed: float, draws: Floats) -> None:
    """A grey histogram of the draws and a line at the observed value."""
    axes.hist(draws, bins=_bin_edges(draws), color="#C9D3DC", edgecolor=GREY, linewidth=0.4)
    axes.axvline(observed, color=VERMILION, linewidth=1.6)
    axes.set_title(heading, fontsize=FONT, color=INK)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)
    axes.set_yticks([])
    plain_axes(axes)
    axes.spines["left"].set_visible(False)


def _bin_edges(sample: Floats) -> list[float]:
    """Edges of `N_BINS` bins over the draws; one narrow bin when they are all the same."""
    low = sample.min()
    high = sample.max()
    if high - low <= 1e-9 * max(abs(low), 1.0):
        half = 0.01 * max(abs(low), 1.0)
        return [low - half, low + half]
    return np.linspace(low, high, N_BINS + 1).tolist()
