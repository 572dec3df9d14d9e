"""Yuma consensus as its formulas are written, with numpy: the baseline of the epoch's benchmark.

Matrices are full and float64, one row for each of `rows` (uids) and one column per neuron. With all uids as rows this is
what one writes down first; with the validators' uids only, it leaves out the rows that are zero. No owner, no
commit-reveal, no liquid alpha, a bonds penalty of one: Bittensor's defaults.
"""

from dataclasses import dataclass

import numpy as np

U16 = 65_535


@dataclass(frozen=True)
class Matrices:
    """A subnet as numpy takes it; made outside of what is timed."""

    rows: np.ndarray
    stake: np.ndarray
    last_update: np.ndarray
    registered: np.ndarray
    permit: np.ndarray
    weights: np.ndarray
    bonds: np.ndarray


@dataclass(frozen=True)
class Params:
    """What of the hyperparameters enters."""

    yuma3: bool
    kappa: float
    moving_average: float
    max_validators: int
    activity_cutoff: int
    block: int
    last_step: int
    emission: int


def normalize(values, axis=None):
    """Scales to sum one along an axis; leaves alone what sums to zero."""
    total = values.sum(axis=axis, keepdims=axis is not None)
    return np.divide(values, total, out=values.copy(), where=total > 0)


def median(stake, scores, kappa):
    """For each column the smallest score for which more than the minority of the stake scores no higher."""
    staked = stake > 0
    if not staked.any():
        return np.zeros(scores.shape[1])
    stake, scores = normalize(stake[staked]), scores[staked]
    order = np.argsort(scores, axis=0)
    no_higher = np.cumsum(stake[order], axis=0)
    enough = no_higher > stake.sum() - kappa
    # The highest score where there never is enough.
    place = np.where(enough.any(axis=0), enough.argmax(axis=0), len(stake) - 1)
    columns = np.arange(scores.shape[1])
    return scores[order[place, columns], columns]


def stored(proportions):
    """As the chain stores proportions."""
    return np.floor(proportions * U16).astype(np.uint16)


def epoch(matrices, params):
    """One epoch: the terms as reals, and what the chain would store."""
    m, rows = matrices, matrices.rows
    neurons = len(m.stake)
    share = normalize(m.stake)
    active = m.last_update + params.activity_cutoff >= params.block
    next_permit = np.zeros(neurons, dtype=bool)
    next_permit[np.argsort(share, kind="stable")[::-1][: params.max_validators]] = True
    next_permit &= share > 0
    active_stake = normalize(np.where(active & m.permit, share, 0))

    counts = m.permit[rows, None] & (m.last_update[rows, None] > m.registered[None, :])
    counts &= rows[:, None] != np.arange(neurons)[None, :]
    weights = normalize(np.where(counts, m.weights, 0), axis=1)
    row_stake = active_stake[rows]
    consensus = median(row_stake, weights, params.kappa)
    clipped = np.minimum(weights, consensus)
    trust = np.zeros(neurons)
    trust[rows] = clipped.sum(axis=1)
    incentive = normalize(row_stake @ clipped)

    survives = m.registered < params.last_step + 1
    old = np.where(survives, m.bonds, 0)
    rate = 1 - params.moving_average
    if params.yuma3:
        bonds = rate * clipped + (1 - rate) * (old / U16)
        earned = row_stake * (normalize(bonds, axis=0) @ incentive)
    else:
        delta = normalize(clipped * row_stake[:, None], axis=0)
        bonds = normalize(rate * delta + (1 - rate) * normalize(old, axis=0), axis=0)
        earned = bonds @ incentive
        largest = bonds.max(axis=0)
        bonds = np.divide(bonds, largest, out=bonds, where=largest > 0)
    dividends = np.zeros(neurons)
    dividends[rows] = earned
    dividends = normalize(dividends)

    total = incentive.sum() + dividends.sum()
    if total > 0:
        server, validator = incentive / total, dividends / total
    else:
        server, validator = np.zeros(neurons), active_stake if active_stake.any() else share
    return {
        "consensus": consensus,
        "validator_trust": trust,
        "incentive": incentive,
        "dividends": dividends,
        "bonds": bonds,
        "server_emission": np.floor(server * params.emission).astype(np.uint64),
        "validator_emission": np.floor(validator * params.emission).astype(np.uint64),
        "stored": [stored(values) for values in (share, consensus, incentive, dividends, trust)],
        "stored_bonds": stored(np.where(next_permit[rows, None], bonds, 0)),
        "active": active,
        "next_permit": next_permit,
    }
