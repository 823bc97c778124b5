"""`urn export`: take the network of a run away, in a form that needs nothing of ours.

What is written was read back and gave the same outputs.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from keyword import iskeyword
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor, nn

from analysis import StructureReport
from analysis.export import (
    FORMATS,
    Exported,
    Plan,
    Portable,
    exact_graph,
    layered_source,
    plan,
    recurrent_source,
)
from analysis.export.lattice import integer_coordinates
from analysis.export.portable import SETTINGS
from analysis.network import FlatNetwork
from experiments.commands import judging
from urn import InputError, Run, load_run
from urn.data.tasks import Dataset
from urn.io import atomic_write
from urn.network.wiring import SYMBOL_MODES, Wiring
from urn.outputs import check_file
from urn.population.minimal import network_of

LAYERED = ("torch", "onnx")
"""Formats that need the layers; the others are those of `analysis.export.FORMATS`."""
SUFFIXES = {"torch": ".py"}
"""Of file names, where they are not the target's own name."""

NEEDED = ("torch", "safetensors")
"""Modules that the exported source imports: a file of that name beside it would be imported
instead."""

TOLERANCE = 1e-5
"""Largest difference that rounding may make: a hundred times float32's, by judgement."""

N_DRAWS = 200
"""Draws from each null model: the fewest with which a verdict can be reached."""

Forward = Callable[[Tensor], Tensor | tuple[Tensor, ...]]
"""From inputs to outputs, and perhaps the state that a recurrent network also returns."""


# ---- the command


def add_export(parser: argparse.ArgumentParser) -> None:
    """Take a trained network away. Writes it as PyTorch code with weights, ONNX, or a graph, after
    it was read back and gave the same outputs."""
    parser.set_defaults(run=_export)
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--to",
        choices=(*LAYERED, *FORMATS),
        required=True,
        help="torch writes source code and .safetensors",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file to write (default: RUN/export/network.SUFFIX)",
    )
    parser.add_argument(
        "--on-data",
        action="store_true",
        help="torch, onnx: also leave out what is constant on the training data; "
        "right on such data only",
    )
    parser.add_argument("--force", action="store_true", help="overwrite what --out names")


def _export(arguments: argparse.Namespace) -> int:
    run = load_run(arguments.folder)
    out = _out(arguments)

    data = judging.task_data(run)
    files, differs = export(run, data, arguments.to, name=out.stem, on_data=arguments.on_data)

    out.parent.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        atomic_write(out.parent / name, content)
        print(out.parent / name)

    errors = ", ".join(f"{error:.1e} on {part} data" for part, error in differs.items())
    print(f"read back: outputs differ by at most {errors}")
    compact = run.compact()
    print(f"compact: {compact}; {compact.connections:,} connections")
    return 0


def _out(arguments: argparse.Namespace) -> Path:
    """The file to write. Raises InputError for what cannot be one."""
    to = arguments.to
    if arguments.on_data and to in FORMATS:
        raise InputError(f"--on-data: goes with --to torch or onnx, not {to}")

    suffix = SUFFIXES.get(to, f".{to}")
    out = arguments.out or arguments.folder / "export" / f"network{suffix}"
    if out.suffix != suffix:
        raise InputError(f"--out: {out} must end in {suffix}")
    if to == "torch" and not _is_module_name(out.stem):
        raise InputError(
            f"--out: {out.name} must be the name of a Python module, "
            f"other than {' and '.join(NEEDED)}"
        )
    is_given = arguments.out is not None
    for path in _written(out, to):
        check_file(path, force=arguments.force or not is_given)
    return out


def _is_module_name(name: str) -> bool:
    return name.isidentifier() and not iskeyword(name) and name not in NEEDED


def _written(out: Path, to: str) -> list[Path]:
    """The files that an export consists of."""
    return [out, out.with_suffix(".safetensors")] if to == "torch" else [out]


# ---- an export, read back


def export(
    run: Run, data: Dataset, to: str, *, name: str = "network", on_data: bool = False
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Make the files of an export and read them back.

    Parameters
    ----------
    run : Run
        The trained network.
    data : Dataset
        The data of its task.
    to : str
        One of LAYERED, or of `analysis.export.FORMATS`.
    name : str
        Of the files, without a suffix.
    on_data : bool
        Whether to leave out what is constant on the training data.

    Returns
    -------
    files : dict
        Contents by file name.
    differs : dict
        By how much the outputs of what was read back differ, by part of the data.

    Raises
    ------
    InputError
        Where the run holds no network to export, or where outputs differ by more than TOLERANCE:
        on validation data, or with `on_data` on training data.
    """
    if not bool(run.weights.isfinite().all()) or run.status == "disconnected":
        raise InputError(f"{run.folder or 'run'}: holds no network to export (status {run.status})")

    report = judging.judge(run, data, n_null=N_DRAWS)
    if to in FORMATS:
        files, forward = _as_graph(run, data, report, to, name)
    elif to == "onnx":
        files = {f"{name}.onnx": onnx_model(run, data, report, on_data=on_data)}
        forward = read_onnx(files[f"{name}.onnx"])
    else:
        files, forward = _as_module(run, data, report, name, on_data)

    parts = {"training": data.train} if on_data else {}
    parts["validation"] = data.validation
    differs = {part: _difference(forward, run, _inputs(run, x)) for part, (x, _) in parts.items()}

    first, error = next(iter(differs.items()))
    if not error <= TOLERANCE:
        raise InputError(
            f"--to {to}: outputs on {first} data differ by {error:.1e}, "
            f"more than {TOLERANCE:g}; nothing is written"
        )
    return files, differs


def _as_graph(
    run: Run, data: Dataset, report: StructureReport, to: str, name: str
) -> tuple[dict[str, bytes], Forward]:
    """The file of a graph format, and the network in it."""
    form = FORMATS[to]
    content = form.write(portable(run, data, report))

    # A format without attributes of a graph is read with the settings of the run.
    settings = {key: value for key, value in run.wiring.to_dict().items() if key in SETTINGS}
    back = form.read(content, **({} if form.keeps_settings else settings)).network

    W = torch.tensor(back.weights, dtype=run.weights.dtype)
    b = torch.tensor(back.biases, dtype=run.weights.dtype)
    net = network_of(W, b, Wiring(**{key: getattr(back, key) for key in vars(run.wiring)}))
    return {f"{name}.{to}": content}, net


def _as_module(
    run: Run, data: Dataset, report: StructureReport, name: str, on_data: bool
) -> tuple[dict[str, bytes], Forward]:
    """Source code and weights, and the module they make when imported."""
    code = module_source(run, data, report, name=name, on_data=on_data)
    files = {f"{name}.py": code.source.encode(), f"{name}.safetensors": save(code.tensors)}

    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        return files, read_module(Path(folder) / f"{name}.py")


def _inputs(run: Run, x: Tensor) -> Tensor:
    """Inputs of a split as the network takes them; of streams the first symbols."""
    x = x.to(run.weights.dtype)
    if run.input_mode in SYMBOL_MODES:
        return x[: judging.MAX_SAMPLES, : run.config.n_iterations]
    return x


@torch.no_grad()
def _difference(forward: Forward, run: Run, x: Tensor) -> float:
    """Largest difference from the run's own outputs, relative to the largest where above 1."""
    y = forward(x)
    if isinstance(y, tuple):
        y = y[0]  # without the state that a recurrent network also returns
    expected = run.network()(x)
    return float((y - expected).abs().max() / expected.abs().max().clamp_min(1))


# ---- the forms


def module_source(
    run: Run,
    data: Dataset,
    report: StructureReport,
    *,
    name: str = "network",
    on_data: bool = False,
) -> Exported:
    """The part that can matter as source code and arrays: layers of the kinds that emerged."""
    about = {"title": report.summary, "dtype": run.config.dtype, "name": name}
    if run.wiring.reads_one_each:
        return recurrent_source(_flat(run), **about)
    return layered_source(layers(run, data, report, on_data=on_data), **about)


def onnx_model(run: Run, data: Dataset, report: StructureReport, *, on_data: bool = False) -> bytes:
    """The same layers as an ONNX model."""
    try:
        from analysis.export.onnx import layered_onnx, recurrent_onnx
    except ImportError:
        raise InputError(
            "--to onnx: needs the extra onnx (pip install 'urn-networks[onnx]')"
        ) from None

    if run.wiring.reads_one_each:
        tensors = module_source(run, data, report).tensors
        model = recurrent_onnx(tensors, run.input_mode, run.config.activation, report.summary)
    else:
        model = layered_onnx(layers(run, data, report, on_data=on_data), report.summary)
    return model.SerializeToString()


def layers(run: Run, data: Dataset, report: StructureReport, *, on_data: bool = False) -> Plan:
    """The layers of a run's compact network.

    Receptive fields and kernels come where the verdicts say that there are some. With `on_data`
    what is constant on the training data is left out. Raises InputError where no input can reach
    an output.
    """
    ids = run.compact().ids.numpy()
    inputs = data.train[0].numpy().astype(float) if on_data else None
    graph = exact_graph(_flat(run), inputs)
    if not len(graph.source):
        raise InputError(
            f"{run.folder or 'run'}: no input can reach an output, so there is no network to export"
        )

    local_layers = report.verdicts["locally_connected"].evidence["local_layers"]
    local = [row for row, i in enumerate(ids.tolist()) if report.layer_of.get(i) in local_layers]

    coordinates = None
    if report.verdicts["convolutional"].present:
        coordinates = _coordinates(run, data)
    return plan(graph, local=local, coordinates=None if coordinates is None else coordinates[ids])


def _flat(run: Run, positions: np.ndarray | None = None) -> FlatNetwork:
    """The part of a run's network that matters; also of streams, which are not judged."""
    part = run.compact()
    arrays = (part.weights.numpy().astype(float), part.biases.numpy().astype(float))
    return FlatNetwork(*arrays, positions=positions, **part.wiring.to_dict())


def portable(run: Run, data: Dataset, report: StructureReport) -> Portable:
    """The compact network with the layer, the position and the mean activity of each neuron."""
    ids = run.compact().ids.numpy()
    activity = None
    if run.input_mode not in SYMBOL_MODES:
        activity = np.abs(judging.activity(run, data)).mean(axis=(0, 1))[ids]

    positions = None if run.positions is None else run.positions.numpy().astype(float)[ids]
    return Portable(
        _flat(run, positions),
        ids=ids,
        layer=np.array([report.layer_of.get(i, -1) for i in ids.tolist()]),
        activity=activity,
    )


def _coordinates(run: Run, data: Dataset) -> np.ndarray | None:
    """(S, dim) whole coordinates of neurons on the lattice of the inputs.

    NaN for a neuron that is on no site, None where there is no lattice.
    """
    if run.config.hidden_positions == "lattice":  # channel after channel, site after site
        S = len(run.biases)
        n_sites = int(np.prod(data.sites))
        sites = np.unravel_index(np.arange(S) % n_sites, data.sites)
        coordinates = np.stack(sites, axis=1).astype(float)
        coordinates[S - data.n_outputs :] = np.nan
        return coordinates

    if run.positions is None:
        return None
    return integer_coordinates(run.positions.numpy(), data.n_inputs)


# ---- reading back


def read_module(path: Path) -> nn.Module:
    """The module in a source file that `urn export` wrote, with its weights."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def read_onnx(content: bytes) -> Forward:
    """The first output of an ONNX network in onnxruntime; its state, if any, begins at zero."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def forward(x: Tensor) -> Tensor:
        feed = {"x": x.float().numpy()}
        for extra in session.get_inputs()[1:]:
            feed[extra.name] = np.zeros((1, len(x), extra.shape[2]), np.float32)
        return torch.from_numpy(session.run(None, feed)[0])

    return forward
