"""Tests; a package so that the benchmarks can use the planted networks as well."""
