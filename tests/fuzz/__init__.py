"""A fuzzer that owns the promise of the command line: one clear line, nothing lost.

`python -m tests.fuzz --minutes 30 --seed 1` runs for as long as asked and prints every case that
breaks the promise; `test_fuzz.py` runs a fixed number of cases. A case is a function of a seed and
a number, so it can be repeated alone: `python -m tests.fuzz --seed 1 --case 1234`.
"""
