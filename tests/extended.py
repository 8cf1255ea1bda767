"""The model in 600 bits, written from its equations: what doubles and checkers are judged by."""

from flint import arb, ctx

BITS = 600


def evaluated(problem, actions):
    """Return (latency, energy, accuracy, QoE) of each user's task, in balls of `BITS`."""
    before, ctx.prec = ctx.prec, BITS
    try:
        m = int((actions.channel >= 0).sum())
        return [_task(problem, actions, n, m) for n in range(len(actions.channel))]
    finally:
        ctx.prec = before


def _task(problem, actions, n, m):
    def own(name):
        return arb(float(getattr(problem.users, name)[n]))

    def kind(name):
        return arb(float(getattr(problem.tasks, name)[problem.task[n]]))

    system = problem.system
    kappa, speed = own("energy_coefficient"), own("flop_per_cycle")
    f, f_ref = arb(float(actions.frequency[n])), own("reference_frequency")
    t0 = kind("local_flop") / (speed * f_ref)
    e0, a0 = kappa * t0 * f_ref**3, kind("local_accuracy")
    if actions.channel[n] < 0:
        t = kind("local_flop") / (speed * f)  # (4)
        e, a = kappa * t * f**3, a0  # (7)
    else:
        power, mu = arb(float(actions.power[n])), float(actions.extraction[n])
        raw = mu == 1.0
        gain = arb(float(problem.gain[n, actions.channel[n]]))
        snr = gain * power / system.noise
        rate = system.bandwidth * (1 + snr).log() / arb(2).log()  # (2)
        bits = kind("bits" if raw else "semantic_bits")
        t_tx = bits * arb(mu) ** arb(system.compress_exponent) / rate  # (3)
        extract = kind("extract_flop") / arb(mu) ** arb(system.extract_exponent)
        t_ex = arb(0) if raw else extract / (speed * f)  # (4)
        flop = kind("server_raw_flop" if raw else "server_flop")
        t_es = flop * m / (arb(system.server_flop_per_cycle) * system.server_frequency)  # (5)
        share = arb(system.server_frequency) / m
        t = t_tx + t_ex + t_es  # (6)
        e = kappa * t_ex * f**3 + power * t_tx  # (7)
        e += system.server_energy_coefficient * t_es * share**3  # (8)
        table = problem.tasks.accuracy[problem.task[n]]
        a = accuracy(table, None if raw else mu, 10 * snr.log() / arb(10).log())
    qoe = sum(  # (11)
        own(f"weight_{name}") / (1 + (-slope * ahead).exp())
        for name, slope, ahead in (
            ("latency", arb(system.slope_latency), t0 - t),
            ("energy", arb(system.slope_energy), e0 - e),
            ("accuracy", arb(system.slope_accuracy), a - a0),
        )
    )
    return t, e, a, qoe


def accuracy(table, mu, snr_db):
    """Return the bilinear accuracy (10), clamped outside; of raw mode where `mu` is None."""
    axis = [arb(float(x)) for x in table.snr_db]
    j, v = place(axis, snr_db)
    if mu is None:
        return mix(v, *map(arb, map(float, table.raw[j : j + 2])))
    i, u = place([arb(float(x)) for x in table.extraction], arb(mu))
    low, high = (mix(v, *map(arb, map(float, table.table[r, j : j + 2]))) for r in (i, i + 1))
    return mix(u, low, high)


def place(axis, x):
    """Return the interval of an axis that holds x, and where in it, 0 to 1."""
    x = max(axis[0], min(x, axis[-1]))
    j = max(j for j in range(len(axis) - 1) if j == 0 or axis[j] <= x)
    return j, (x - axis[j]) / (axis[j + 1] - axis[j])


def mix(share, low, high):
    """Return what lies between two values."""
    return low + share * (high - low)


def keeps_limits(problem, actions, slack=1e-9):
    """Tell whether a decision certainly keeps every limit and range, each but for `slack`."""

    def within(value, low, high):
        return low * (1 - slack) <= value <= high * (1 + slack)

    users, tasks, kinds = problem.users, problem.tasks, problem.task
    used = [k for k in actions.channel if k >= 0]
    kept = len(set(used)) == len(used)
    for n, (t, e, a, _) in enumerate(evaluated(problem, actions)):
        mu, sends = actions.extraction[n], actions.channel[n] >= 0
        kept &= bool(t <= problem.system.latency_max * (1 + slack))
        kept &= bool(e <= users.energy_max[n] * (1 + slack))
        kept &= bool(a >= tasks.accuracy_min[kinds[n]] * (1 - slack))
        if sends:
            kept &= within(actions.power[n], users.power_min[n], users.power_max[n])
        if sends and mu != 1.0:
            kept &= within(mu, users.extraction_min[n], tasks.extraction_max[kinds[n]]) and mu < 1
        if not sends or mu != 1.0:
            kept &= within(actions.frequency[n], users.frequency_min[n], users.frequency_max[n])
    return bool(kept)


def worth(problem, actions):
    """Return the objective of a decision."""
    qoe = [found[3] for found in evaluated(problem, actions)]
    return float(min(qoe) if problem.objective == "min" else sum(qoe))
