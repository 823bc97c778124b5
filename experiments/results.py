"""Results on disk: claims.json, figures and index.html.

The page of the documentation that is made from the same entries is `results_markdown`'s matter.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis.page import render
from experiments.claims import modules, spread
from urn import InputError, TrainConfig
from urn.io import atomic_write, to_json
from urn.settings.config import GrowthRule

# What an entry of claims.json holds. Beside it `provenance`, since version 0.2.
KEYS = ("name", "claim", "source", "paper", "ours", "seeds", "passed")

# Fields of the configuration that the settings table shows beside the strengths.
SHOWN = (
    "task",
    "task_options",
    "n_neurons",
    "n_iterations",
    "input_mode",
    "activation",
    "steps",
    "batch_size",
    "optimiser",
    "learning_rate",
    "clip",
    "self_target",
    "locality_power",
    "locality_floor",
    "shared_step",
    "hidden_positions",
    "channels",
)

# Fields that the table shows even where all arms have the default.
ALWAYS_SHOWN = frozenset({"task", "n_neurons", "n_iterations", "steps"})

MOST_ARMS = 30  # Arms up to which a claim has tables. By judgement: wider ones cannot be read.

DPI = 130  # Of figures: a column of a page at twice its size, by judgement.

Entry = dict[str, Any]  # An entry of claims.json, with KEYS.


class Store:
    """A results folder. Entries are replaced by name; those of other claims stay.

    Parameters
    ----------
    folder : path
        Made with the first entry.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Entry]:
        """Read claims.json, in the order of the claims.

        Raises
        ------
        InputError
            When it holds anything else.
        """
        path = self.folder / "claims.json"
        if not path.exists():
            return []
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            is_whole = all(set(KEYS) <= set(entry) for entry in entries)
        except (OSError, ValueError, TypeError):
            is_whole = False

        if not is_whole:
            raise InputError(f"{path}: not a list of claims; move it away")
        order = {name: k for k, name in enumerate(modules())}
        return sorted(entries, key=lambda entry: order.get(entry["name"], len(order)))

    def put(self, entry: Entry, figures: dict[str, Figure], story: str) -> None:
        """Save figures first, then the entry that names them.

        Parameters
        ----------
        entry : dict
            With KEYS; the figures and the story are added to its "ours".
        figures : dict
            {name: Figure}.
        story : str
            Paragraphs that say how the claim can be refuted.
        """
        name = entry["name"]
        folder = self.folder / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        # A claim may draw fewer figures than it did: none of its old ones stays.
        for old in folder.glob(f"{name}-*.png"):
            old.unlink()
        for kind, figure in figures.items():
            figure.savefig(folder / f"{name}-{kind}.png", dpi=DPI)

        # The entry comes last and all at once: it never names a figure that is not there.
        paths = [f"figures/{name}-{kind}.png" for kind in figures]
        entry["ours"] |= {"figures": paths, "story": story}
        entries = [other for other in self.entries() if other["name"] != name] + [entry]
        atomic_write(self.folder / "claims.json", to_json(entries))

    def write_page(self) -> None:
        """Write index.html: every claim with its checks, figures, numbers and settings."""
        atomic_write(self.folder / "index.html", page(self.entries()))


def page(entries: list[Entry]) -> str:
    """The HTML page of a results folder."""
    return render("results.html", package="experiments", entries=entries, numbers=numbers, few=few)


def settings(arms: dict[str, TrainConfig], after: dict[str, str]) -> dict[str, dict[str, str]]:
    """The settings that arms are trained with: one network class, one loss, only these differ.

    Parameters
    ----------
    arms : dict
        {arm: configuration}.
    after : dict
        {arm: the arm it goes on from}.

    Returns
    -------
    dict
        {field: {arm: value in a few characters}}, without fields that all arms have at the default.
    """
    table: dict[str, dict[str, str]] = {}
    for arm, config in arms.items():
        cells = _cells(config)
        if after:
            cells["starts from"] = after.get(arm, "")
        for name, cell in cells.items():
            table.setdefault(name, {})[arm] = cell

    # A field is dull where every arm has the default; those in ALWAYS_SHOWN never are.
    usual = TrainConfig().to_dict() | {
        f"growth.{name}": value for name, value in GrowthRule().model_dump().items()
    }
    dull = {
        name
        for name, cells in table.items()
        if name in usual and set(cells.values()) <= {"", _text(usual[name])}
    }
    return {
        name: {arm: cells.get(arm, "") for arm in arms}
        for name, cells in table.items()
        if name in ALWAYS_SHOWN or name not in dull
    }


def _cells(config: TrainConfig) -> dict[str, str]:
    """{field: value} of one configuration, strengths and the rule of growth taken apart."""
    fields = config.to_dict()
    cells = {name: fields[name] for name in SHOWN if name in fields}
    cells |= {f"c_{name}": schedule for name, schedule in fields["strengths"].items()}
    cells |= {f"growth.{name}": value for name, value in (fields.get("growth") or {}).items()}
    return {name: _text(value) for name, value in cells.items()}


def _text(value: object) -> str:
    """A setting in a few characters: schedules as `0.1, warm-up 1000, x 5 at 0.5`."""
    if isinstance(value, dict) and "value" in value:
        text = f"{value['value']:g}"
        text += f", warm-up {value['warmup']}" if value["warmup"] else ""
        at = " and ".join(f"{m:g}" for m in value["milestones"])
        text += f", x {value['factor']:g} at {at}" if at else ""
        return text + "".join(f", {to:g} from {step}" for step, to in value.get("moves", []))

    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else str(value)


def numbers(entry: Entry) -> tuple[list[str], list[list[str]]]:
    """The table of what was measured.

    Returns
    -------
    head : list of str
        Empty, then the names of the numbers.
    body : list of list of str
        A row an arm: its name, then median and range over seeds. Empty where there are too many.
    """
    measured = entry["ours"]["measured"] if few(entry) else {}
    every_row = [row for rows in measured.values() for row in rows]
    # In the order in which `measure` gives them. Lists and texts do not fit into a cell.
    names = list(dict.fromkeys(name for row in every_row for name in row))
    shown = [name for name in names if all(_is_number(row.get(name)) for row in every_row)]

    body = []
    for arm, rows in measured.items():
        cells = [_cell(rows, name) for name in shown]
        body.append([arm, *cells])
    return ["", *shown], body


def _cell(rows: list[dict[str, Any]], name: str) -> str:
    """Median and range of one number of an arm; a null counts as NaN."""
    if name not in rows[0]:
        return ""
    return spread([float("nan") if row.get(name) is None else row[name] for row in rows])


def few(entry: Entry) -> bool:
    """Whether the networks of a claim are of so few kinds that tables of them can be read."""
    return len(entry["ours"]["measured"]) <= MOST_ARMS


def _is_number(value: object) -> bool:
    """Whether a table can hold a value."""
    return value is None or isinstance(value, bool | int | float)
