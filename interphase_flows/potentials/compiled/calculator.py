"""Calculator that evaluates a compiled graph with the parameters of one member."""

import functools
import shutil
import warnings
from collections.abc import Mapping
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import all_changes
from nequip.data import AtomicDataDict
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper
from nequip.integrations.ase import NequIPCalculator
from nequip.model.inference_models import load_aotinductor_model
from nequip.scripts._compile_utils import ASE_TARGET

from interphase_flows.exceptions import CompilationError
from interphase_flows.potentials.compiled.architecture import STATISTICS, loaded_tensors
from interphase_flows.potentials.compiled.neighbour_list import NeighbourList
from interphase_flows.potentials.quiet import double_precision

MIN_SIZE = 2
"""Smallest number of atoms and of pairs for which the graph is valid."""
KEPT_GRAPHS = 2
"""Graphs cached per process: a campaign has one architecture."""
EXTRACTED_PREFIX = "aotinductor_"
"""Start of the names of the folders into which torch extracts graphs."""


class CompiledGraph:
    """A compiled graph in memory, which holds the constants of one member at a time."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        before = extracted_folders()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module=r"(nequip|torch)\..*")
                self.model, self.metadata = load_aotinductor_model(
                    str(path), device, ASE_TARGET["input"], ASE_TARGET["output"]
                )
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise CompilationError(f"{path}: the graph cannot be loaded: {error}", "cannot_load") from error
        for folder in extracted_folders() - before:
            # torch removes it only at a normal exit, which processes of multiprocessing do not have
            Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
        self.model.eval()
        self.device = torch.device(device)
        self._loaded: object = None

    def load(self, constants: Mapping[str, torch.Tensor]) -> None:
        """Load the constants of a member, unless they are those of the last call."""
        if constants is not self._loaded:
            self.model.model.load_constants(dict(constants), check_full_update=False)
            self._loaded = constants


def extracted_folders() -> set[Path]:
    """Return the temporary folders from which this process has loaded graphs; none if the system does not list them."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return set()
    paths = {Path(line.split(maxsplit=5)[-1]) for line in lines if EXTRACTED_PREFIX in line}
    return {each for path in paths for each in path.parents if each.name.startswith(EXTRACTED_PREFIX)}


@functools.lru_cache(maxsize=KEPT_GRAPHS)
def load_graph(path: Path, device: str = "cpu") -> CompiledGraph:
    """Load a compiled graph, once per process.

    Raises
    ------
    CompilationError
        The file is not a graph that runs here.
    """
    return CompiledGraph(path, device)


class CompiledNequIPCalculator(NequIPCalculator):
    """ASE calculator that evaluates a compiled graph with the parameters of a trained potential.

    Calculators share the graph, and each loads its parameters before an evaluation if another one was evaluated before
    (0.2 ms). Forces depend on the atoms alone: the neighbour list has a skin, but a fixed order.

    Parameters
    ----------
    graph
        Compiled graph of the architecture.
    names
        Name of a tensor of the model for each constant of the graph.
    eager
        The potential; it also evaluates structures of fewer than two atoms or pairs.

    Raises
    ------
    CompilationError
        The potential has other elements, tensors or a different cutoff.
    """

    _pairs: NeighbourList | None = None
    _types: tuple[np.ndarray, torch.Tensor] | None = None

    def __init__(self, graph: CompiledGraph, names: Mapping[str, str], eager: NequIPCalculator) -> None:
        tensors = loaded_tensors(eager.model)
        parameters = {name for name in tensors if not name.endswith(STATISTICS)}
        if not parameters <= set(names.values()) <= set(tensors):
            different = sorted((set(names.values()) - set(tensors)) | (parameters - set(names.values())))
            raise CompilationError(
                f"not the architecture of the graph, which differs in {', '.join(different[:3])}", "other_architecture"
            )
        metadata = eager.model.metadata
        types, cutoff_angstrom = metadata["type_names"].split(), float(metadata["r_max"])
        if (types, cutoff_angstrom) != (graph.metadata["type_names"], graph.metadata["r_max"]):
            raise CompilationError(
                f"elements {' '.join(types)} and cutoff {cutoff_angstrom:g} Å are not those of the graph: "
                f"{' '.join(graph.metadata['type_names'])}, {graph.metadata['r_max']:g} Å",
                "other_architecture",
            )
        super().__init__(graph.model, graph.device, transforms=eager.transforms)
        self._graph = graph
        if not any(getattr(t, "per_edge_type_cutoff", None) for t in self.transforms):
            self._pairs = NeighbourList(cutoff_angstrom, device=graph.device)
        self._eager_model = eager.model
        self.constants = {
            constant: tensors[name].detach().to(graph.device).contiguous().clone() for constant, name in names.items()
        }
        """Tensors that are loaded into the graph."""

    def share_pairs(self, other: "CompiledNequIPCalculator | None" = None) -> None:
        """Use the neighbour list of another calculator, or a new one."""
        if self._pairs is not None:
            new = NeighbourList(self._pairs.cutoff_angstrom, device=self.device) if other is None else other._pairs
            self._pairs = new

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Return what has changed since the last evaluation: nothing or everything; numbers are compared exactly.

        The comparison of ASE within a tolerance takes as long as a tenth of an evaluation of 84 atoms.
        """
        known = self.atoms
        if (
            known is not None
            and np.array_equal(atoms.positions, known.positions)
            and np.array_equal(atoms.numbers, known.numbers)
            and np.array_equal(atoms.cell.array, known.cell.array)
            and np.array_equal(atoms.pbc, known.pbc)
        ):
            return []
        return list(all_changes)

    def atoms_to_data(self, atoms: Atoms) -> AtomicDataDict.Type:
        """Return the inputs of the graph, which interprets any tensor as double precision."""
        if self._pairs is not None and atoms.cell.rank == 3:
            indices, shifts = self._pairs.pairs(atoms)
            if min(len(atoms), indices.shape[1]) >= MIN_SIZE:
                inputs = {
                    AtomicDataDict.POSITIONS_KEY: np.asarray(atoms.positions, dtype=np.float64),
                    AtomicDataDict.CELL_KEY: np.asarray(atoms.cell.array, dtype=np.float64).reshape(1, 3, 3),
                }
                return {name: torch.from_numpy(value).to(self.device) for name, value in inputs.items()} | {
                    AtomicDataDict.EDGE_INDEX_KEY: indices,
                    AtomicDataDict.EDGE_CELL_SHIFT_KEY: shifts,
                    AtomicDataDict.ATOM_TYPE_KEY: self._types_of(atoms).to(self.device),
                }
        with double_precision():
            return super().atoms_to_data(atoms)

    def _types_of(self, atoms: Atoms) -> torch.Tensor:
        """Return the types of atoms; an element that the potential does not know raises a KeyError."""
        if self._types is None or not np.array_equal(self._types[0], atoms.numbers):
            mapper = next(t for t in self.transforms if isinstance(t, ChemicalSpeciesToAtomTypeMapper))
            numbers = atoms.numbers.copy()
            data = mapper({AtomicDataDict.ATOMIC_NUMBERS_KEY: torch.from_numpy(numbers).to(torch.int64)})
            self._types = numbers, data[AtomicDataDict.ATOM_TYPE_KEY]
        return self._types[1]

    def call_model(self, data: AtomicDataDict.Type) -> AtomicDataDict.Type:
        """Evaluate the graph with the parameters of this potential."""
        if min(len(data[AtomicDataDict.POSITIONS_KEY]), data[AtomicDataDict.EDGE_INDEX_KEY].shape[1]) < MIN_SIZE:
            return self._eager_model(dict(data))
        self._graph.load(self.constants)
        return self.model(data)
