"""Data sets of the three kinds of task: where they come from, and how they are read."""
