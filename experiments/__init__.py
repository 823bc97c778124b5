"""Claims, sweeps and benchmarks, on top of `urn` and `analysis`."""
