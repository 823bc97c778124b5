"""Charts of single measures: path depths, activity per iteration, block densities, null distributions.

Draws given numbers; computes none of the measures.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from analysis.plots.matrix import group_edges, magnitude_norm
from analysis.plots.ordering import layer_groups
from analysis.plots.style import FONT, GREY, INK, MAGNITUDE, SKY, VERMILION, new_figure, plain_axes


def path_depths(shares, *, title: str | None = None) -> Figure:
    """Bars of the path-depth distribution: `shares[k]` of the flow runs along paths with k nonlinear nodes.

    `shares` `(n,)`, not negative. The mean, the effective depth, is marked. Raises ValueError for other shapes,
    negative values and a sum of zero.
    """
    shares = np.asarray(shares, dtype=float)
    if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() <= 0:
        raise ValueError(
            "shares must be a vector of values that are not negative, with a positive sum"
        )
    shares = shares / shares.sum()
    mean = float(shares @ np.arange(len(shares)))
    figure = new_figure(3.4, 2.5)
    axes = figure.add_subplot()
    bars = axes.bar(range(len(shares)), shares, color=SKY, edgecolor=INK, linewidth=0.6)
    axes.bar_label(
        bars,
        [f"{share:.0%}" if share >= 0.005 else "" for share in shares],
        fontsize=FONT - 1,
        padding=1,
    )
    axes.plot(
        [mean],
        [0],
        "^",
        color=VERMILION,
        markersize=8,
        markeredgecolor=INK,
        clip_on=False,
        zorder=5,
    )
    axes.set_title(f"effective depth {mean:.2f} (triangle)", fontsize=FONT, color=INK)
    axes.set_xticks(range(len(shares)))
    axes.set_ylim(0, shares.max() * 1.12)
    axes.set_xlabel("nonlinear nodes on the path")
    axes.set_ylabel("share of the flow")
    plain_axes(axes)
    return _titled(figure, title)


def activity(
    activity,
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    title: str | None = None,
) -> Figure:
    """Mean |activity| of every living neuron at every iteration.

    A layered network shows a staircase (each layer speaks once), a recurrent one or a residual stream shows rows
    that are filled throughout. White is exactly silent. Within a layer neurons are ordered by the iteration they
    speak at most.

    Parameters
    ----------
    activity : `(I + 1, S)`, mean |N_i(l)| over the data.
    layer_of : {neuron: layer} of the living neurons, as for `sorted_matrix`.
    n_inputs, n_outputs : sizes of the two ends of the vector.
    title : shown above.

    Raises
    ------
    ValueError : `activity` of another shape, not finite or negative; `layer_of` empty or out of range.
    """
    activity = np.asarray(activity, dtype=float)
    if activity.ndim != 2 or not np.isfinite(activity).all() or (activity < 0).any():
        raise ValueError(
            f"activity must be (iterations + 1, neurons), finite and not negative, got {activity.shape}"
        )
    groups = layer_groups(layer_of, activity.shape[1], n_inputs, n_outputs)
    if not groups:
        raise ValueError("layer_of must name at least one neuron")
    weight = np.arange(len(activity))[:, None]
    mean_time = (activity * weight).sum(axis=0) / np.where(
        activity.any(axis=0), activity.sum(axis=0), 1.0
    )
    groups = [
        (name, members[np.argsort(mean_time[members], kind="stable")]) for name, members in groups
    ]
    figure = new_figure(0.55 * len(activity) + 2.4, 4.6)
    axes = figure.add_subplot()
    norm = magnitude_norm(activity)
    edges = group_edges([len(members) for _, members in groups])
    for (_, members), top, bottom in zip(groups, edges, edges[1:], strict=False):
        shown = np.ma.masked_equal(activity[:, members].T, 0.0)
        extent = (-0.5, len(activity) - 0.5, bottom, top)
        axes.imshow(
            shown, cmap=MAGNITUDE, norm=norm, aspect="auto", interpolation="nearest", extent=extent
        )
    axes.add_collection(
        LineCollection(
            [[(-0.5, y), (len(activity) - 0.5, y)] for y in edges], colors=GREY, linewidths=0.7
        )
    )
    axes.set(
        xlim=(-0.5, len(activity) - 0.5),
        ylim=(1, 0),
        xlabel="iteration l",
        xticks=range(len(activity)),
    )
    axes.set_yticks(
        (edges[:-1] + edges[1:]) / 2, [f"{name} ({len(members)})" for name, members in groups]
    )
    axes.tick_params(axis="y", length=0)
    plain_axes(axes)
    if norm is not None:
        bar = figure.colorbar(ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.7, pad=0.03)
        bar.set_label("mean |activity|   (white: silent)", fontsize=FONT)
        bar.ax.tick_params(labelsize=FONT)
    return _titled(figure, title)


def block_density(
    density, names: Sequence[str], *, mass_share=None, title: str | None = None
) -> Figure:
    """Table of how densely each pair of groups is joined, shaded by density.

    `density` `(G, G)`, `[a, b]` from group b to group a, NaN where there are no pairs; `names` of the G groups;
    `mass_share` `(G, G)` or None, printed under the density. Empty blocks show a dot. Raises ValueError for shapes
    that do not fit and densities outside 0..1.
    """
    density = np.asarray(density, dtype=float)
    if density.ndim != 2 or density.shape != (len(names), len(names)):
        raise ValueError(
            f"density must have shape ({len(names)}, {len(names)}), got {density.shape}"
        )
    if np.nanmin(density, initial=0.0) < 0 or np.nanmax(density, initial=0.0) > 1:
        raise ValueError("density must lie between 0 and 1")
    if mass_share is not None and np.shape(mass_share) != density.shape:
        raise ValueError(f"mass_share must have shape {density.shape}, got {np.shape(mass_share)}")
    side = 0.62 * len(names)
    figure = new_figure(side + 1.8, side + 1.2)
    axes = figure.add_subplot()
    # White is empty; the square root keeps sparse blocks apart from empty ones.
    axes.imshow(
        np.ma.masked_equal(np.nan_to_num(density), 0.0), cmap="Blues", norm=PowerNorm(0.5, 0, 1.2)
    )
    borders = np.arange(len(names) + 1) - 0.5
    lines = [[(x, borders[0]), (x, borders[-1])] for x in borders] + [
        [(borders[0], y), (borders[-1], y)] for y in borders
    ]
    axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4))
    for row, column in np.ndindex(*density.shape):
        value = density[row, column]
        text = "·" if not value > 0 else f"{value:.2f}" if value >= 0.005 else "<.01"
        if mass_share is not None and value > 0:
            text += f"\n{mass_share[row][column]:.0%}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=FONT,
            color="white" if value > 0.45 else INK,
        )
    axes.set_xticks(range(len(names)), names, rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.tick_top()
    axes.set_xlabel(
        "from" if mass_share is None else "from   (density; below it the share of all |weight|)"
    )
    axes.set_ylabel("to")
    plain_axes(axes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _titled(figure, title)


def null_distributions(
    observed: Mapping[str, float],
    draws: Mapping[str, Sequence[float]],
    *,
    p_values: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """One panel a measure: histogram of its null draws and a line at the observed value.

    `observed` {name: value}; `draws` {name: (n,) values}, the same names; `p_values` {name: p}, printed where given.
    Raises ValueError when names differ, or draws are empty or not finite.
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
        sample = np.asarray(draws[name], dtype=float)
        if sample.ndim != 1 or not sample.size or not np.isfinite(sample).all():
            raise ValueError(f"draws of {name!r} must be a finite vector")
        axes.hist(sample, bins=_bin_edges(sample), color="#C9D3DC", edgecolor=GREY, linewidth=0.4)
        axes.axvline(value, color=VERMILION, linewidth=1.6)
        p_value = None if p_values is None else p_values.get(name)
        axes.set_title(
            name if p_value is None else f"{name}\np = {p_value:.2g}", fontsize=FONT, color=INK
        )
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4)
        axes.set_yticks([])
        plain_axes(axes)
        axes.spines["left"].set_visible(False)
    for axes in panels[len(observed) :]:
        axes.set_axis_off()
    figure.supxlabel("null draws (grey) and the observed value (line)", fontsize=FONT)
    return _titled(figure, title)


def _bin_edges(sample: np.ndarray) -> np.ndarray:
    """25 bins over the draws; one narrow bin when they are all the same."""
    low, high = sample.min(), sample.max()
    if high - low <= 1e-9 * max(abs(low), 1.0):
        half = 0.01 * max(abs(low), 1.0)
        return np.array([low - half, low + half])
    return np.linspace(low, high, 26)


def _titled(figure: Figure, title: str | None) -> Figure:
    if title:
        figure.suptitle(title, fontsize=FONT + 2, color=INK)
    return figure
