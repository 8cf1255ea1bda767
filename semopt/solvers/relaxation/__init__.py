"""The convex relaxation: an upper bound on the continuous optimum."""
