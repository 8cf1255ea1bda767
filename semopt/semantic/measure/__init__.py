"""Accuracies and FLOPs of trained networks, as scenarios read them."""
