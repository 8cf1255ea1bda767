"""Time and memory of each solver by the number of users."""
