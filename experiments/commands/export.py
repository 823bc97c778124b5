"""`urn export`: take the network of a run away, in a form that needs nothing of ours, checked by reading it back."""

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
from urn.network.wiring import SYMBOL_MODES, Wiring
from urn.population.minimal import network_of
from urn.runs.folders import RunFolder

LAYERED = ("torch", "onnx")
"""Formats that need the layers; the others are those of `analysis.export.FORMATS`."""
SUFFIXES = {"torch": ".py"}
NEEDED = ("torch", "safetensors")
"""Modules that the exported source imports: a file of that name beside it would stand in their place."""
TOLERANCE = 1e-5
"""Largest difference that rounding may make."""


def add_export(parser: argparse.ArgumentParser) -> None:
    """Take a trained network away. Writes it as PyTorch code with weights, ONNX, or a graph, after it was read back and gave
    the same outputs."""
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
        help="torch, onnx: also leave out what is constant on the training data; right on such data only",
    )


def _export(arguments: argparse.Namespace) -> int:
    run, to = load_run(arguments.folder), arguments.to
    if arguments.on_data and to in FORMATS:
        raise InputError(f"--on-data: goes with --to torch or onnx, not {to}")
    suffix = SUFFIXES.get(to, f".{to}")
    out = arguments.out or arguments.folder / "export" / f"network{suffix}"
    if out.suffix != suffix:
        raise InputError(f"--out: {out} must end in {suffix}")
    if to == "torch" and (not out.stem.isidentifier() or iskeyword(out.stem) or out.stem in NEEDED):
        raise InputError(
            f"--out: {out.name} must be the name of a Python module, other than {' and '.join(NEEDED)}"
        )
    for path in {out, out.with_suffix(".safetensors")} if to == "torch" else {out}:
        if path.is_dir():
            raise InputError(f"--out: {path} is a folder")
    data = judging.task_data(run)
    files, differs = export(run, data, to, name=out.stem, on_data=arguments.on_data)
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        RunFolder(out.parent).write(name, content)
        print(out.parent / name)
    print(
        f"read back: outputs differ by at most {', '.join(f'{error:.1e} on {part} data' for part, error in differs.items())}"
    )
    living = run.compact()
    print(f"compact: {living}; {living.connections:,} connections")
    return 0


def export(
    run: Run, data: Dataset, to: str, *, name: str = "network", on_data: bool = False
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Files of an export, by name, and by how much the outputs of what was read back from them differ, by part of the data.

    Raises:
        InputError: where the run holds no network to export, or where outputs differ by more than TOLERANCE: on validation
            data, or with `on_data` on training data.
    """
    if not bool(run.weights.isfinite().all()) or run.status == "disconnected":
        raise InputError(f"{run.folder or 'run'}: holds no network to export (status {run.status})")
    report = judging.judge(run, data, n_null=200)
    if to in FORMATS:
        content = FORMATS[to].write(portable(run, data, report))
        files = {f"{name}.{to}": content}
        settings = {key: value for key, value in run.wiring.to_dict().items() if key in SETTINGS}
        back = FORMATS[to].read(content, **{} if FORMATS[to].keeps_settings else settings).network
        W, b = (torch.tensor(T, dtype=run.weights.dtype) for T in (back.weights, back.biases))
        answer = network_of(W, b, Wiring(**{key: getattr(back, key) for key in vars(run.wiring)}))
    elif to == "onnx":
        files = {f"{name}.onnx": onnx_model(run, data, report, on_data=on_data)}
        answer = read_onnx(files[f"{name}.onnx"])
    else:
        code = module_source(run, data, report, name=name, on_data=on_data)
        files = {f"{name}.py": code.source.encode(), f"{name}.safetensors": save(code.tensors)}
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (Path(folder) / file).write_bytes(content)
            answer = read_module(Path(folder) / f"{name}.py")
    parts = (
        {"training": data.train, "validation": data.validation}
        if on_data
        else {"validation": data.validation}
    )
    differs = {part: _difference(answer, run, _inputs(run, split)) for part, split in parts.items()}
    first, error = next(iter(differs.items()))
    if not error <= TOLERANCE:
        raise InputError(
            f"--to {to}: outputs on {first} data differ by {error:.1e}, more than {TOLERANCE:g}; nothing is written"
        )
    return files, differs


def _inputs(run: Run, split: tuple[Tensor, Tensor]) -> Tensor:
    """X of a split as the network takes it; of streams the first symbols."""
    x = split[0].to(run.weights.dtype)
    return (
        x[: judging.MAX_SAMPLES, : run.config.n_iterations] if run.input_mode in SYMBOL_MODES else x
    )


@torch.no_grad()
def _difference(answer: Callable, run: Run, x: Tensor) -> float:
    """Largest difference of an output from the run's own, relative to the largest output where that is above 1."""
    y, true = answer(x), run.network()(x)
    y = (
        y[0] if isinstance(y, tuple) else y
    )  # without the state that a recurrent network also returns
    return float((y - true).abs().max() / true.abs().max().clamp_min(1))


def module_source(
    run: Run,
    data: Dataset,
    report: StructureReport,
    *,
    name: str = "network",
    on_data: bool = False,
) -> Exported:
    """The living network as source code and arrays: layers as they emerged, of the kinds that were found."""
    about = {"title": report.summary, "dtype": run.config.dtype, "name": name}
    if run.input_mode in SYMBOL_MODES:
        return recurrent_source(_flat(run), **about)
    return layered_source(layers(run, data, report, on_data=on_data), **about)


def onnx_model(run: Run, data: Dataset, report: StructureReport, *, on_data: bool = False) -> bytes:
    """The same layers as an ONNX model."""
    try:
        from analysis.export.onnx import layered_onnx, recurrent_onnx
    except ImportError:
        raise InputError("--to onnx: needs the extra onnx (pip install 'urn[onnx]')") from None
    if run.input_mode in SYMBOL_MODES:
        model = recurrent_onnx(
            module_source(run, data, report).tensors,
            run.input_mode,
            run.config.activation,
            report.summary,
        )
    else:
        model = layered_onnx(layers(run, data, report, on_data=on_data), report.summary)
    return model.SerializeToString()


def layers(run: Run, data: Dataset, report: StructureReport, *, on_data: bool = False) -> Plan:
    """The layers of a run's living network; receptive fields and kernels where the verdicts say that there are some."""
    ids = run.compact().ids.numpy()
    inputs = data.train[0].numpy().astype(float) if on_data else None
    graph = exact_graph(_flat(run), inputs)
    local_layers = report.verdicts["locally_connected"].evidence["local_layers"]
    local = [
        place for place, i in enumerate(ids.tolist()) if report.layer_of.get(i) in local_layers
    ]
    coordinates = _coordinates(run, data) if report.verdicts["convolutional"].present else None
    if not len(graph.source):
        raise InputError(
            f"{run.folder or 'run'}: no input can reach an output, so there is no network to export"
        )
    return plan(graph, local=local, coordinates=None if coordinates is None else coordinates[ids])


def _flat(run: Run, positions: np.ndarray | None = None) -> FlatNetwork:
    """The part of a run's network that matters, as arrays; also of a stream, which is not judged."""
    part = run.compact()
    arrays = (part.weights.numpy().astype(float), part.biases.numpy().astype(float))
    return FlatNetwork(*arrays, positions=positions, **part.wiring.to_dict())


def portable(run: Run, data: Dataset, report: StructureReport) -> Portable:
    """The living network with the layer, the position and the mean activity of each neuron."""
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


def read_module(path: Path) -> nn.Module:
    """The module in a source file that `urn export` wrote, with its weights."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def _coordinates(run: Run, data: Dataset) -> np.ndarray | None:
    """(S, dim) whole coordinates of neurons on the lattice of the inputs; NaN, or None altogether, where there is none."""
    if run.config.hidden_positions == "lattice":  # channel after channel, site after site
        S, n_sites = len(run.biases), int(np.prod(data.sites))
        out = np.stack(np.unravel_index(np.arange(S) % n_sites, data.sites), axis=1).astype(float)
        out[S - data.n_outputs :] = np.nan
        return out
    return (
        None if run.positions is None else integer_coordinates(run.positions.numpy(), data.n_inputs)
    )


def read_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    """A function that runs the first output of an ONNX network in onnxruntime, from a state of zeros where it has one."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(x: Tensor) -> Tensor:
        feed = {"x": x.float().numpy()}
        for extra in session.get_inputs()[1:]:
            feed[extra.name] = np.zeros((1, len(x), extra.shape[2]), np.float32)
        return torch.from_numpy(session.run(None, feed)[0])

    return answer
