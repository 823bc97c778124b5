"""The commands that need `analysis`: inspect, export, prune, sweep."""
