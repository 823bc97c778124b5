"""`python -m experiments.benchmarks NAME [PART ...]`: print one benchmark."""

import argparse
from importlib import import_module

from urn.border import let_threads_sleep

# What `--help` says of each; a module of this package is imported when it is asked for.
BENCHMARKS = {
    "training": "a step, whole trainings and memory against a plain PyTorch loop",
    "planted": "verdicts on networks of known structure",
    "alarms": "verdicts on networks drawn at random",
    "reference": "verdicts on networks that plain PyTorch trained",
    "blocks": "layers of planted networks, beside block models",
    "faint": "verdicts on planted networks with weak weights added",
    "faithfulness": "what networks lose without all that lies outside their used graph",
    "discover": "what `urn discover` says of data whose answer is known",
    "census": "triad census against networkx",
    "growth": "networks that grow against a NumPy program: speed, sizes and losses",
    "device": "many networks at once, and a dense step, on a GPU",
    "first": "urn train --data on three tables against MLPClassifier, as whole processes",
    "busy": "whole commands beside processes that keep a core busy",
    "analysis": "time and memory of analyse()",
    "play": "the page of urn play: how soon, how fast, what training loses",
    "silence": "a neuron silenced on a report page: how soon its score is there",
    "borders": "both phase maps with their borders bisected, against their whole grids",
    "sweeps": "64 networks as a sweep against a loop and a pool of the yardstick",
}
# Modules whose name is not that of their benchmark.
MODULES = {"census": "census_speed", "analysis": "analysis_speed"}


def main() -> None:
    """Run the benchmark that is named."""
    described = "\n".join(f"  {name:12} {description}" for name, description in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks",
        description=described,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("arguments", nargs="*", help="parts or options of that benchmark")
    given, options = parser.parse_known_args()
    let_threads_sleep()  # as in a command, whose time is to be taken
    module = import_module(f"experiments.benchmarks.{MODULES.get(given.name, given.name)}")
    raise SystemExit(module.main([*given.arguments, *options]))


if __name__ == "__main__":
    main()
