"""Transfer of a trained potential to labels of another method: initial weights, and energy shifts of the new method.

The weights are those of a checkpoint or package of NequIP, such as a potential that was trained on a cheap method or a
foundation model. It must have the architecture of the campaign; its types may be more than the campaign's elements, of
which only the embeddings are kept. Force scales and the number of neighbours remain those of the file, with which its
weights were trained. Energies of two methods differ by arbitrary constants of each element, so the energy shifts are
those of the file plus the smallest ones that fit the new labels of solids in the sense of least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms

from interphase_flows.exceptions import TrainingError
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.committee import COMPILED, load_calculator
from interphase_flows.potentials.compiled.architecture import STATISTICS, loaded_tensors, new_model
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.schemas.dataset import Baseline
from interphase_flows.schemas.origin import Origin

NORM, SCALES, SHIFTS = STATISTICS
EMBEDDING = "type_embed.embed_module.weight"
"""End of the name of the parameter with a row for each type."""
MAX_DIFFERENCE_EV_PER_ANGSTROM = 1e-3
"""Largest difference between forces of the potential and of its copy with the campaign's architecture."""
N_COMPARED = 3


@dataclass(frozen=True)
class Transferred:
    """Initial weights in the order of the parameters of a model, and its statistics."""

    weights: list[torch.Tensor]
    statistics: Baseline


def transfer(file: Path, spec: NequIPSpec, elements: Sequence[str], frames: Sequence[Atoms]) -> Transferred:
    """Return initial weights and statistics of a model with architecture ``spec`` from a trained potential.

    Parameters
    ----------
    file
        Checkpoint or package of NequIP.
    elements
        Types of the model, sorted.
    frames
        Labelled frames. The energy shifts are fitted to those that are no isolated atoms and dimers; the first ones
        check that the copy is exact.

    Raises
    ------
    TrainingError
        The file cannot be read, is a compiled model, lacks an element, or has another architecture.
    """
    if file.name.endswith(COMPILED):
        raise TrainingError(f"{file}: a compiled model, which has no weights to train. Hint: give its checkpoint")
    source = load_calculator(file)
    given, model = loaded_tensors(source.model), new_model(spec, elements, 0)
    types = list(source.model.type_names)
    if missing := sorted(set(elements) - set(types)):
        raise TrainingError(
            f"{file}: the potential has no {', '.join(missing)}, only {', '.join(types)}. Hint: choose another potential"
        )
    rows = torch.tensor([types.index(element) for element in elements])
    wanted = loaded_tensors(model)
    for name, tensor in wanted.items():
        found = given.get(name)
        if found is not None and (name.endswith(EMBEDDING) or (name.endswith(STATISTICS) and len(found) == len(types))):
            found = found[rows]
        if found is not None and name.endswith(STATISTICS) and found.numel() == 1:
            found = found.expand_as(tensor)
        if found is None or found.shape != tensor.shape:
            shape = "missing" if found is None else f"of shape {tuple(found.shape)}"
            raise _other_architecture(file, f"{name} is {shape} in the file, and of shape {tuple(tensor.shape)} here")
        with torch.no_grad():
            tensor.copy_(found)
    if extra := sorted(set(given) - set(wanted)):
        raise _other_architecture(file, f"it has the further parameter {extra[0]}")
    transforms = basic_transforms(model.metadata, spec.cutoff_angstrom, list(elements), {e: e for e in elements})
    _compare(file, source, NequIPCalculator(model, torch.device("cpu"), transforms=transforms), frames[:N_COMPARED])
    return Transferred(
        weights=[parameter.detach().clone() for parameter in model.parameters()],
        statistics=_statistics(wanted, elements, source, frames),
    )


def checkpoint_statistics(checkpoint: Path) -> Baseline:
    """Return the statistics with which a checkpoint was trained."""
    model = read_checkpoint_file(checkpoint)["hyper_parameters"]["model"]
    return Baseline(
        elements=list(model["type_names"]),
        energy_shifts_eV=dict(model["per_type_energy_shifts"]),
        forces_rms_eV_per_angstrom=dict(model["per_type_energy_scales"]),
        mean_n_neighbours=model["avg_num_neighbors"],
    )


def _statistics(
    tensors: dict[str, torch.Tensor], elements: Sequence[str], source: NequIPCalculator, frames: Sequence[Atoms]
) -> Baseline:
    def of_elements(suffix: str) -> dict[str, float]:
        (values,) = (tensor.ravel().tolist() for name, tensor in tensors.items() if name.endswith(suffix))
        return dict(zip(elements, values, strict=True))

    # energies of isolated atoms do not belong to the composition of a solid, as in the fit of the baseline
    solids = [frame for frame in frames if not Origin(frame.info.get("origin", "")).is_isolated] or frames
    counts = np.array([[(frame.symbols == element).sum() for element in elements] for frame in solids])
    residual_eV = [frame.get_potential_energy() - source.get_property("energy", frame.copy()) for frame in solids]
    n_atoms = counts.sum(axis=1)
    corrections, *_ = np.linalg.lstsq(counts / n_atoms[:, None], np.array(residual_eV) / n_atoms)
    shifts = of_elements(SHIFTS)
    norms = {float(value) for name, tensor in tensors.items() if name.endswith(NORM) for value in tensor.ravel()}
    return Baseline(
        elements=list(elements),
        energy_shifts_eV={e: shifts[e] + float(c) for e, c in zip(elements, corrections, strict=True)},
        forces_rms_eV_per_angstrom=of_elements(SCALES),
        mean_n_neighbours=float(np.mean(list(norms))) ** -2,
    )


def _compare(file: Path, source: NequIPCalculator, copy: NequIPCalculator, frames: Sequence[Atoms]) -> None:
    """Check that two potentials have the same forces; settings such as the cutoff have no parameters."""
    for frame in frames:
        difference = np.abs(
            source.get_property("forces", frame.copy()) - copy.get_property("forces", frame.copy())
        ).max()
        if difference > MAX_DIFFERENCE_EV_PER_ANGSTROM:
            raise _other_architecture(
                file, f"with the same weights, forces differ by {difference:.2g} eV/Å, as with another cutoff"
            )


def architecture_of(checkpoint: Path) -> tuple[dict[str, object], list[str]]:
    """Return the settings of the architecture of a checkpoint, named as those of `NequIPSpec`, and its types."""
    model = read_checkpoint_file(checkpoint)["hyper_parameters"]["model"]
    names = {
        "cutoff_angstrom": "r_max",
        "n_layers": "num_layers",
        "n_features": "num_features",
        "n_radial_basis": "num_bessels",
    }
    settings = {key: model.get(names.get(key, key)) for key in NequIPSpec.model_fields}
    return {key: value for key, value in settings.items() if value is not None}, list(model["type_names"])


def _other_architecture(file: Path, difference: str) -> TrainingError:
    try:
        block = ", ".join(f"{key}: {str(value).lower()}" for key, value in architecture_of(file)[0].items())
        hint = f"set committee.model: {{{block}}}"
    except TrainingError:  # a package, which is code
        hint = "set committee.model to the architecture of the file"
    return TrainingError(
        f"{file}: the potential has another architecture than committee.model: {difference}. Hint: {hint}"
    )
