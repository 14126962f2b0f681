"""Potentials as users have them: a committee, trained models, files of NequIP, any ASE calculator."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import CompilationError, InputError
from interphase_flows.jobs.compile import usable_graph
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.model import CommitteeDoc, ModelDoc
from interphase_flows.storage.workspace import current_workspace

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee

Member: TypeAlias = ModelDoc | MethodSpec | str
"""A trained model, a calculator or reference method, or the path of a NequIP file."""
Potential: TypeAlias = CommitteeDoc | Member | Sequence[Member]

CHECKPOINT_SUFFIX = ".ckpt"
NEQUIP_SUFFIXES = (CHECKPOINT_SUFFIX, ".nequip.zip", ".nequip.pth", ".nequip.pt2")
"""Checkpoint, package, and the two kinds of compiled models."""
HINT = (
    "Hint: give the output of CommitteeMaker or TrainMaker, the path of a NequIP file, or "
    "CalculatorSpec(name='ase.calculators.emt.EMT')"
)


def potential_key(potential: Potential) -> str:
    """Return the content key of a potential: the content of files, name and arguments of calculators."""
    if isinstance(potential, CommitteeDoc):
        return potential.key
    keys = [_member_key(member) for member in _members(potential)]
    return keys[0] if len(keys) == 1 else content_key("potentials", members=keys)


def load_potential(
    potential: Potential,
    start: Atoms,
    evaluation: str | None = None,
    compiled: CompiledPotentialDoc | None = None,
) -> "CalculatorCommittee | NequIPCommittee":
    """Load a potential as a committee, on the device and threads of this machine's settings.

    A potential of one member has no uncertainty. For ``evaluation`` and ``compiled``, by default that of a committee,
    see `load_committee`.

    Raises
    ------
    InputError
        A file is missing or of an unknown kind, a calculator cannot be made, or a member cannot evaluate ``start``.
    """
    if compiled is None and isinstance(potential, CommitteeDoc):
        compiled = potential.compiled
    members = _members(potential)
    trained = [member for member in members if not isinstance(member, MethodSpec)]
    committee: CalculatorCommittee | NequIPCommittee
    if len(trained) == len(members):
        committee = load_committee(trained, [start], evaluation, compiled)
    else:
        committee = CalculatorCommittee([_calculator(member) for member in members])
    try:
        committee.forces_all(start.copy())
    except Exception as error:  # calculators raise anything
        names = ", ".join(sorted({_name(member) for member in members}))
        raise InputError(
            f"{names} cannot evaluate {start.get_chemical_formula()}: {type(error).__name__}: {error}. Hint: check that "
            "it covers these elements"
        ) from error
    return committee


def load_committee(
    models: Sequence[ModelDoc | ArtifactRef | str],
    frames: Sequence[Atoms] = (),
    evaluation: str | None = None,
    compiled: CompiledPotentialDoc | None = None,
) -> "NequIPCommittee":
    """Load trained potentials on the device and threads of this machine's settings.

    They are evaluated by the compiled graph if it is usable on this machine and agrees with the eager potentials, else
    eagerly; the attribute ``fallback`` of the committee then has the reason.

    Parameters
    ----------
    frames
        Frames on which the compiled potentials are compared with the eager ones.
    evaluation
        ``eager`` to use no graph, as by a run that began without one.
    compiled
        Output of `CompileMaker`.
    """
    from interphase_flows.potentials.committee import COMPILED, EAGER, NequIPCommittee  # takes seconds to import

    workspace = current_workspace()
    settings = workspace.settings
    paths = [potential_file(model) for model in models]
    fallback = None
    if compiled is not None and compiled.artifact is not None and not paths[0].name.endswith(COMPILED):
        from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee

        try:
            if evaluation == EAGER:
                raise CompilationError("the run began eagerly", "began_eagerly")
            return CompiledNequIPCommittee(
                paths, usable_graph(compiled), compiled.constants, settings.device, settings.n_threads, frames
            )
        except CompilationError as error:
            fallback = error
            emit("potentials", 1, 1, f"evaluated eagerly: {error}")
    committee = NequIPCommittee(paths, settings.device, settings.n_threads)
    committee.fallback = fallback
    return committee


def _members(potential: Potential) -> list[Member]:
    if isinstance(potential, CommitteeDoc):
        return [*potential.models]
    if isinstance(potential, ModelDoc | MethodSpec | str):
        return [potential]
    if not isinstance(potential, Sequence) or not potential:
        raise InputError(f"potential: {potential!r} is none. {HINT}")
    return list(potential)


def _member_key(member: Member) -> str:
    if isinstance(member, ModelDoc):
        return member.key
    if isinstance(member, MethodSpec):
        return reference_method(member).identity.key
    with potential_file(member).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def potential_file(model: ModelDoc | ArtifactRef | str) -> Path:
    """Return the file of a potential.

    Raises InputError for a missing file, an unknown suffix, or a reference of a document to something else than a
    checkpoint.
    """
    if isinstance(model, ModelDoc):
        model = model.checkpoint
    if isinstance(model, ArtifactRef):
        if model.suffix != CHECKPOINT_SUFFIX:
            raise InputError(
                f"potential {model.sha256[:12]}{model.suffix}: a document may refer to a {CHECKPOINT_SUFFIX} file only, "
                "because packages and compiled models contain code. Hint: give the path of the file"
            )
        return current_workspace().artifacts.get(model)
    path = Path(model)
    if not path.name.endswith(NEQUIP_SUFFIXES):
        raise InputError(f"potential {model!r}: not one of {', '.join(NEQUIP_SUFFIXES)}. {HINT}")
    if not path.is_file():
        raise InputError(f"potential {path.absolute()}: no such file. {HINT}")
    return path


def _calculator(member: Member) -> Calculator:
    if isinstance(member, MethodSpec):
        return reference_method(member, current_workspace().settings).calculator()
    from interphase_flows.potentials.committee import load_calculator

    return load_calculator(potential_file(member), current_workspace().settings.device)


def _name(member: Member) -> str:
    if isinstance(member, MethodSpec):
        return str(getattr(member, "name", member.method))
    return member if isinstance(member, str) else f"model {member.key}"
