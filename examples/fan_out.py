"""Twenty Batch jobs side by side, gathered by one electron: estimates pi by throwing darts."""

import random

import covalent as ct

JOBS = 20
DARTS = 20_000


@ct.electron(executor="awsbatch")
def throw(seed):
    darts = random.Random(seed)
    inside = sum(darts.random() ** 2 + darts.random() ** 2 <= 1 for _ in range(DARTS))
    print(f"Seed {seed}: {inside} of {DARTS} darts are inside")
    return inside


@ct.electron
def estimate(inside):
    return 4 * sum(inside) / (len(inside) * DARTS)


@ct.lattice
def run_darts(jobs):
    return estimate([throw(seed) for seed in range(jobs)])


if __name__ == "__main__":
    dispatch_id = ct.dispatch(run_darts)(JOBS)
    result = ct.get_result(dispatch_id, wait=True)
    if result.result is None:
        raise SystemExit(f"{result.status}: {result.error}")
    print(f"Pi is about {result.result:.4f}, after {JOBS} jobs")
