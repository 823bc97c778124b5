"""Runs: networks that were trained, in memory and in folders."""
