"""Simulate Unstructured Recursive Networks: the network, its general loss, the optimiser, tasks and runs."""
