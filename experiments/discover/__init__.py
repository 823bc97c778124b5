"""Which architecture a data set asks for: the dials are turned, and each has to show that it pays.

| module | holds |
|---|---|
| `dials` | the kinds of networks that are tried, and which two of them a dial compares |
| `sizes` | how large they are and how long they train, from the time that is given |
| `batches` | training, a population at a time, each a file that a resumed run reads |
| `search` | the strengths of each kind, by successive halving on validation data |
| `confirm` | what each dial brings: fresh seeds, test data, null twins |
| `differences` | intervals, p and their correction |
| `request` | what was asked for |
| `result`, `words`, `page` | what came out, as a record, a paragraph and a page |
| `discovery` | all of it in turn |
"""

from experiments.discover.discovery import discover
from experiments.discover.result import Discovery

__all__ = ["Discovery", "discover"]
