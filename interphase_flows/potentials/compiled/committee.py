"""Committee whose members share a compiled graph."""

import copy
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from ase import Atoms

from interphase_flows.potentials.callbacks import sha256_of
from interphase_flows.potentials.committee import KEPT_POTENTIALS, NequIPCommittee, load_calculator
from interphase_flows.potentials.compiled.agreement import check_agreement
from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator, load_graph
from interphase_flows.potentials.compiled.check_frames import check_frames


def load_compiled_calculator(
    checkpoint: Path, graph: Path, constants: Mapping[str, str], device: str = "cpu"
) -> CompiledNequIPCalculator:
    """Load a trained potential as an ASE calculator that evaluates a compiled graph.

    Before the first use in this process, energies, forces and stresses of disordered crystals are compared with those
    of the eager potential. Each call returns a new calculator, without atoms and results of others.

    Raises
    ------
    CompilationError
        The graph is not that of the potential's architecture, or it does not agree with the eager potential.
    """
    calculator = copy.copy(_checked(sha256_of(checkpoint), checkpoint, graph, tuple(constants.items()), device))
    calculator.reset()
    calculator.share_pairs()
    return calculator


@functools.lru_cache(maxsize=KEPT_POTENTIALS)
def _checked(
    sha256: str, checkpoint: Path, graph: Path, constants: tuple[tuple[str, str], ...], device: str
) -> CompiledNequIPCalculator:
    eager = load_calculator(checkpoint, device)
    compiled = CompiledNequIPCalculator(load_graph(graph, device), dict(constants), eager)
    metadata = eager.model.metadata
    check_agreement(compiled, eager, check_frames(metadata["type_names"].split(), float(metadata["r_max"])))
    return compiled


class CompiledNequIPCommittee(NequIPCommittee):
    """Trained potentials of one architecture that are evaluated by one compiled graph; see `NequIPCommittee`.

    Parameters
    ----------
    checkpoints
        Files of the members; the first one drives the dynamics.
    graph, constants
        Compiled graph of the architecture, and the name of a tensor of the model for each of its constants.
    frames
        Frames on which each member is compared with the eager potential, besides those of
        `load_compiled_calculator`.

    Raises
    ------
    CompilationError
        The graph does not fit a member, or does not agree with it.
    """

    def __init__(
        self,
        checkpoints: Sequence[Path],
        graph: Path,
        constants: Mapping[str, str],
        device: str = "cpu",
        n_threads: int = 1,
        frames: Sequence[Atoms] = (),
    ) -> None:
        super().__init__(checkpoints, device, n_threads)
        eager = self._calculators
        compiled = [load_compiled_calculator(path, graph, constants, device) for path in checkpoints]
        for one, other in zip(compiled, eager, strict=True):
            check_agreement(one, other, frames)
        for other in compiled[1:]:
            other.share_pairs(compiled[0])
        self._calculators = compiled
        self.evaluation = f"compiled {sha256_of(graph)[:16]}"
