"""What was found, on disk: claims.json, figures, index.html, and the page of the documentation made from the same entries."""

import html
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure

from experiments.claims import NAMES, spread
from urn import InputError, TrainConfig

KEYS = ("name", "claim", "source", "paper", "ours", "seeds", "passed")
SHOWN = (
    "task", "task_options", "n_neurons", "n_iterations", "input_mode", "activation", "steps", "batch_size", "learning_rate",
    "self_target", "locality_power", "locality_floor", "hidden_positions", "channels",
)  # fmt: skip
"""Fields of the configuration that the settings table shows beside the strengths."""


class Store:
    """A results folder. Entries are replaced by name; what other claims left there stays."""

    def __init__(self, folder: Path):
        self.folder = folder

    def entries(self) -> list[dict]:
        """What claims.json holds, in the order the claims are told."""
        path = self.folder / "claims.json"
        if not path.exists():
            return []
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            whole = all(set(KEYS) <= set(entry) for entry in entries)
        except (OSError, ValueError, TypeError):
            whole = False
        if not whole:
            raise InputError(f"{path}: not a list of claims; move it away")
        return sorted(entries, key=lambda entry: NAMES.index(entry["name"]) if entry["name"] in NAMES else len(NAMES))

    def put(self, entry: dict, figures: dict[str, Figure], story: str) -> None:
        """Save figures first, then the entry that names them."""
        (self.folder / "figures").mkdir(parents=True, exist_ok=True)
        for old in (self.folder / "figures").glob(f"{entry['name']}-*.png"):
            old.unlink()
        for name, figure in figures.items():
            figure.savefig(self.folder / "figures" / f"{entry['name']}-{name}.png", dpi=130)
        entry["ours"] |= {"figures": [f"figures/{entry['name']}-{name}.png" for name in figures], "story": story}
        entries = [other for other in self.entries() if other["name"] != entry["name"]] + [entry]
        write(self.folder / "claims.json", json.dumps(plain(entries), indent=1, allow_nan=False))

    def write_page(self) -> None:
        """index.html: every claim with its checks, figures, numbers and settings."""
        write(self.folder / "index.html", page(self.entries()))


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def plain(value: object) -> object:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def settings(arms: dict[str, TrainConfig], after: dict[str, str]) -> dict[str, dict[str, str]]:
    """{field: {arm: value}} of what the arms are trained with: one network class, one loss, only these differ."""
    tables = {arm: config.to_dict() for arm, config in arms.items()}
    found: dict[str, dict[str, str]] = {}
    for arm, table in tables.items():
        cells = {name: _words(table[name]) for name in SHOWN if name in table}
        cells |= {f"c_{name}": _words(schedule) for name, schedule in table["strengths"].items()}
        if after:
            cells["starts from"] = after.get(arm, "")
        for name, cell in cells.items():
            found.setdefault(name, {})[arm] = cell
    usual = TrainConfig().to_dict()
    dull = {name for name, cells in found.items() if set(cells.values()) <= {"", _words(usual.get(name, ""))} and name in usual}
    keep = {"task", "n_neurons", "n_iterations", "steps"}
    return {
        name: {arm: cells.get(arm, "") for arm in arms} for name, cells in found.items() if name in keep or name not in dull
    }


def _words(value: object) -> str:
    """A setting in a few characters: schedules as `0.1, warm-up 1000, x 5 at 0.5`."""
    if isinstance(value, dict) and "value" in value:
        text = f"{value['value']:g}"
        text += f", warm-up {value['warmup']}" if value["warmup"] else ""
        at = " and ".join(f"{m:g}" for m in value["milestones"])
        return text + (f", x {value['factor']:g} at {at}" if at else "")
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def numbers(entry: dict) -> tuple[list[str], list[list[str]]]:
    """Table of what was measured: a row an arm, a column a number, median and range over seeds."""
    measured = entry["ours"]["measured"]
    names = list(dict.fromkeys(name for rows in measured.values() for row in rows for name in row))
    shown = [name for name in names if all(_is_number(row.get(name)) for rows in measured.values() for row in rows)]
    body = []
    for arm, rows in measured.items():
        cells = [
            spread([float("nan") if row.get(name) is None else row[name] for row in rows]) if name in rows[0] else ""
            for name in shown
        ]
        body.append([arm, *cells])
    return ["", *shown], body


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def page(entries: list[dict]) -> str:
    """The HTML page of a results folder."""
    environment = Environment(
        loader=PackageLoader("experiments"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("results.html").render(entries=entries, numbers=numbers)


def write_docs(store: Store, docs: Path) -> None:
    """results.md with its figures, generated from claims.json, and claims.json itself beside it."""
    folder = docs / "figures" / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    entries = store.entries()
    for old in folder.glob("*.png"):
        old.unlink()
    for entry in entries:
        for figure in entry["ours"]["figures"]:
            (folder / Path(figure).name).write_bytes((store.folder / figure).read_bytes())
    write(docs / "results.md", "\n".join(_markdown(entries)) + "\n")
    write(docs / "claims.json", (store.folder / "claims.json").read_text(encoding="utf-8"))


def _markdown(entries: list[dict]) -> Iterator[str]:
    yield from (
        "# Results: the claims, held against numbers", "",
        "Generated by `urn reproduce --scale paper --docs docs`; do not edit. Numbers are medians over seeds with their range,",
        "on test data; settings were chosen on validation data with other seeds ([experiments.md](experiments.md)). \"The paper\" is",
        "what the source reports, everything else is ours. [claims.json](claims.json) holds every number of every seed.", "",
        "| claim | scale | seeds | holds |", "|---|---|---|---|",
    )  # fmt: skip
    for entry in entries:
        holds = "yes" if entry["passed"] else "**no**"
        yield f"| [{entry['name']}](#{entry['name']}) | {entry['ours']['scale']} | {_seeds(entry)} | {holds} |"
    for entry in entries:
        ours = entry["ours"]
        yield from (
            "",
            f"## {entry['name']}",
            "",
            f"**{_cell(entry['claim'])}.** {'Holds.' if entry['passed'] else 'Does not hold.'}",
            "",
        )
        yield from (_cell(ours["story"].partition("\n\n")[2].replace("\n", " ")), "")
        yield from (f"- Source: {_cell(entry['source'])}", f"- The paper: {_cell(entry['paper'])}")
        seconds = sum(row["seconds"] for rows in ours["measured"].values() for row in rows)
        yield f"- Ours: {ours['scale']} scale, seeds {_seeds(entry)}, {seconds / 60:.0f} minutes of training"
        yield from (
            "",
            *_table(
                ["", "measured", "asked", "holds"],
                [[c["what"], c["measured"], c["asked"], "yes" if c["passed"] else "**no**"] for c in ours["checks"]],
            ),
        )
        for figure in ours["figures"]:
            yield from ("", f"![{entry['name']}: {Path(figure).stem.partition('-')[2]}](figures/claims/{Path(figure).name})")
        yield from ("", "Measured, median (range over seeds):", "", *_table(*numbers(entry)))
        arms = list(ours["measured"])
        rows = [[name, *(cells[arm] for arm in arms)] for name, cells in ours["settings"].items()]
        yield from ("", "Settings:", "", *_table(["", *arms], rows))


def _seeds(entry: dict) -> str:
    seeds = entry["seeds"]
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]}-{seeds[-1]}"


def _table(head: list[str], body: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_cell, head)) + " |"
    yield "|" + "---|" * len(head)
    for row in body:
        yield "| " + " | ".join(map(_cell, row)) + " |"


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")
