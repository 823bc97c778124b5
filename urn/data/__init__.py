"""Data sets: tasks, files and batches."""
