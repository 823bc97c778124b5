"""The training loop, its history and those who watch it."""
