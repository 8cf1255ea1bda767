"""Every tolerance of the tests, each with its reason."""

# Two evaluations of the same formulas that differ in rounding only.
ROUNDING = 1e-12
# Objectives of two exact methods on the same grid (relative).
OBJECTIVE = 1e-12
# What the acceptance cases were written with.
CASES = 1e-9
# Elementary functions: distance from the exact value in units of the last place.
ELEMENTARY = 2.0
# Twins of the model up to extreme inputs: each figure is a chain of up to ten roundings of 2 ulp
# or less, and sums of terms of one sign keep their relative error (double, single precision).
TWINS = 1e-13
TWINS_SINGLE = 1e-5
# Elementary functions against extended precision, in units of the last place.
ULPS = 2.5
# Below this p-value a sample is said not to follow its law; seeds are fixed.
SIGNIFICANCE = 1e-2
# A bound by the duals of an interior-point method that stops at 1e-8 (relative).
DUALS = 1e-6
# Derivatives by differences of 1e-3, from duals.
PRICES = 5e-3
# A bound in doubles carries an allowance for rounding, in units of its largest term.
BALLS = 1e-9
# What a continuous optimum may lack, as asked for.
GAP = 1e-6
# QoE by two arithmetics where slopes are up to 1e9 a second or a joule, of 0.1 s and J at most: an
# ulp of these moves a score's argument by 1e-8.
STEEP = 1e-7
# A bound in other units takes the same steps; multipliers, by which it moves, are those of an
# interior-point method (1e-8), and boxes are cut where its points lie.
UNITS = 1e-5
# Sums and means of up to thousands of terms, in another order, and what follows from them.
SUMS = 1e-9
# One or two operations on the same numbers, done in another order or precision.
FEW_ROUNDINGS = 1e-14
# A number in other units and back, or a difference from 1: a few units of its last place.
LAST_DIGIT = 1e-15
# Arrays of environments and networks are single: a number of them after a step or two.
SINGLE = 1e-6
# Single precision: sums over users, and differences of what lies close together.
SINGLE_SUM = 1e-5
# Single precision: what went through the layers of a network, or its optimiser.
NETWORK = 1e-4
# A value that a person reads, with six digits behind the point.
PRINTED = 1e-6
