"""Arrangements of atoms on sites with the lowest energy: all of them in small cells, annealing in large ones.

Annealing (Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983)) exchanges the occupants of two sites of an orbit,
which conserves its numbers of atoms and vacancies, and ends with the steepest descent over all exchanges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray

MOST_ENUMERATED = 20_000
STEPS_PER_SITE, MOST_STEPS = 200, 30_000
FEWEST_STARTS = 10
FINAL_TEMPERATURE = 1e-3
"""Last temperature of annealing, relative to the first."""
SMALLEST_GAIN_EV = 1e-8


@dataclass(frozen=True)
class SiteChoices:
    """Sites of one orbit that share a number of atoms of each kind.

    ``options[site, kind]`` is the row of an option in the matrix of energies; vacancies have the last row, which is zero.
    """

    options: IntArray
    numbers: tuple[int, ...]
    """Sites occupied by each kind; they sum to the number of sites."""

    @property
    def n_arrangements(self) -> int:
        """Number of different arrangements."""
        total, left = 1, len(self.options)
        for number in self.numbers:
            total *= comb(left, number)
            left -= number
        return total


Arrangement = tuple[IntArray, ...]
"""Kind on each site, for every orbit."""


@dataclass(frozen=True)
class Search:
    """Arrangements by increasing energy, and how they were found."""

    arrangements: list[Arrangement]
    energies_eV: list[float]
    n_arrangements: int
    is_complete: bool
    """Whether all arrangements were compared."""


def lowest_arrangements(orbits: Sequence[SiteChoices], energies: FloatArray, n: int, seed: int) -> Search:
    """Return arrangements of low energy x·V·x, sorted; at least one. Those of one energy are in random order.

    Parameters
    ----------
    energies
        V in eV, symmetric, its last row and column zero.
    n
        Number of different orderings that are needed; annealing has three times as many starts.
    """
    total = 1
    for orbit in orbits:
        total *= orbit.n_arrangements
    rng = np.random.default_rng(seed)
    if total <= MOST_ENUMERATED:
        found = list(_all_arrangements(orbits))
        found = [found[k] for k in rng.permutation(len(found))]
        values = _energies(orbits, energies, found)
    else:
        unique: dict[bytes, Arrangement] = {}
        for _ in range(max(FEWEST_STARTS, 3 * n)):
            arrangement = _annealed(orbits, energies, rng)
            unique.setdefault(b"".join(each.tobytes() for each in arrangement), arrangement)
        found = list(unique.values())
        values = _energies(orbits, energies, found)
    order = np.argsort(np.round(values, 6), kind="stable")
    return Search([found[k] for k in order], [float(values[k]) for k in order], total, total <= MOST_ENUMERATED)


def _all_arrangements(orbits: Sequence[SiteChoices]) -> Iterator[Arrangement]:
    if not orbits:
        yield ()
        return
    for first in _all_of_orbit(np.full(len(orbits[0].options), -1), orbits[0].numbers, 0):
        for rest in _all_arrangements(orbits[1:]):
            yield (first, *rest)


def _all_of_orbit(kinds: IntArray, numbers: tuple[int, ...], kind: int) -> Iterator[IntArray]:
    free = np.flatnonzero(kinds < 0)
    if kind == len(numbers) - 1:
        yield np.where(kinds < 0, kind, kinds)
        return
    for chosen in combinations(free.tolist(), numbers[kind]):
        filled = kinds.copy()
        filled[list(chosen)] = kind
        yield from _all_of_orbit(filled, numbers, kind + 1)


def chosen_rows(orbits: Sequence[SiteChoices], arrangement: Arrangement) -> IntArray:
    """Return the options that an arrangement chooses, in the order of sites."""
    rows = [o.options[np.arange(len(k)), k] for o, k in zip(orbits, arrangement, strict=True)]
    return np.concatenate([np.empty(0, dtype=np.int64), *rows])


def _energies(orbits: Sequence[SiteChoices], energies: FloatArray, found: Sequence[Arrangement]) -> FloatArray:
    values = np.empty(len(found))
    for number, arrangement in enumerate(found):
        rows = chosen_rows(orbits, arrangement)
        values[number] = energies[np.ix_(rows, rows)].sum()
    return values


def _annealed(orbits: Sequence[SiteChoices], energies: FloatArray, rng: np.random.Generator) -> Arrangement:
    """Return a local minimum after annealing from a random arrangement."""
    arrangement = tuple(
        rng.permutation(np.repeat(np.arange(len(orbit.numbers)), orbit.numbers)).astype(np.int64) for orbit in orbits
    )
    field = energies[:, chosen_rows(orbits, arrangement)].sum(axis=1)
    movable = [k for k, orbit in enumerate(orbits) if orbit.n_arrangements > 1]
    sizes = np.array([len(orbits[k].options) for k in movable])
    n_steps = min(MOST_STEPS, STEPS_PER_SITE * int(sizes.sum()))
    chosen = rng.choice(movable, size=n_steps, p=sizes / sizes.sum())
    draws = rng.random((n_steps, 3))
    temperature = _first_temperature_eV(orbits, energies, field, arrangement, chosen, draws)
    cooling = FINAL_TEMPERATURE ** (1.0 / n_steps)
    for k, (u, v, w) in zip(chosen.tolist(), draws.tolist(), strict=True):
        temperature *= cooling
        kinds, options = arrangement[k], orbits[k].options
        i, j = int(u * len(kinds)), int(v * len(kinds))
        if kinds[i] == kinds[j]:
            continue
        gain = _change(energies, field, options, kinds, i, j)
        if gain <= 0.0 or w < np.exp(-gain / temperature):
            _exchange(energies, field, options, kinds, i, j)
    _descend(orbits, energies, field, arrangement)
    return arrangement


def _first_temperature_eV(
    orbits: Sequence[SiteChoices],
    energies: FloatArray,
    field: FloatArray,
    arrangement: Arrangement,
    chosen: IntArray,
    draws: FloatArray,
) -> float:
    """Return the median change of energy of exchanges in a random arrangement."""
    changes = []
    for k, (u, v, _) in zip(chosen[:300].tolist(), draws[:300].tolist(), strict=True):
        kinds = arrangement[k]
        i, j = int(u * len(kinds)), int(v * len(kinds))
        if kinds[i] != kinds[j]:
            changes.append(abs(_change(energies, field, orbits[k].options, kinds, i, j)))
    return max(float(np.median(changes)), 1e-6) if changes else 1e-6


def _four(options: IntArray, kinds: IntArray, i: int, j: int) -> list[int]:
    """Return the options that an exchange removes, and those that it adds."""
    a, b = kinds[i], kinds[j]
    return [options[i, a], options[j, b], options[i, b], options[j, a]]


_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])


def _change(energies: FloatArray, field: FloatArray, options: IntArray, kinds: IntArray, i: int, j: int) -> float:
    """Return the change of energy by an exchange of two occupants: 2 d·f + d·V·d with the field f = V·x."""
    rows = np.array(_four(options, kinds, i, j))
    return float(2.0 * (_SIGNS @ field[rows]) + _SIGNS @ energies[rows[:, None], rows] @ _SIGNS)


def _exchange(energies: FloatArray, field: FloatArray, options: IntArray, kinds: IntArray, i: int, j: int) -> None:
    field += _SIGNS @ energies[_four(options, kinds, i, j)]
    kinds[i], kinds[j] = kinds[j], kinds[i]


def _descend(orbits: Sequence[SiteChoices], energies: FloatArray, field: FloatArray, arrangement: Arrangement) -> None:
    """Apply the best exchange until none lowers the energy."""
    diagonal = np.diag(energies)
    while True:
        best: tuple[float, int, int, int] = (-SMALLEST_GAIN_EV, -1, -1, -1)
        for k, (orbit, kinds) in enumerate(zip(orbits, arrangement, strict=True)):
            first, second = np.triu_indices(len(kinds), 1)
            differ = kinds[first] != kinds[second]
            first, second = first[differ], second[differ]
            if not len(first):
                continue
            a, b = orbit.options[first, kinds[first]], orbit.options[second, kinds[second]]
            c, d = orbit.options[first, kinds[second]], orbit.options[second, kinds[first]]
            changes = 2.0 * (field[c] + field[d] - field[a] - field[b])
            changes += diagonal[a] + diagonal[b] + diagonal[c] + diagonal[d]
            changes += 2.0 * (energies[a, b] + energies[c, d])
            changes -= 2.0 * (energies[a, c] + energies[a, d] + energies[b, c] + energies[b, d])
            lowest = int(changes.argmin())
            if changes[lowest] < best[0]:
                best = (float(changes[lowest]), k, int(first[lowest]), int(second[lowest]))
        if best[1] < 0:
            return
        _, k, i, j = best
        _exchange(energies, field, orbits[k].options, arrangement[k], i, j)
