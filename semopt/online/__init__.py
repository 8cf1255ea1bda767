"""Policies for queues with batteries that decide by what is known now, and a bound on all."""

from .policies import make, names
from .relaxation import PolicyBound, policy_bound

__all__ = ["PolicyBound", "make", "names", "policy_bound"]
