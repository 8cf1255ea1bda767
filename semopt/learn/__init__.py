"""Learned policies: how they are trained, and how far they are from the exact optimum."""
