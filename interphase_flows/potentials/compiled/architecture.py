"""Architecture of a potential and type of a machine, which identify a compiled graph.

A graph contains the operations of a model and the machine code for them. Parameters and the statistics of the dataset
(energy shifts, force scales, number of neighbours) are loaded into it, so they do not identify it. The number of
threads does, because AOTInductor writes it into the code.
"""

import functools
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from nequip.model import NequIPGNNModel
from nequip.nn.graph_model import GraphModel

from interphase_flows.content_keys import content_key
from interphase_flows.potentials.config import model_config
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.potentials.training import quiet_training
from interphase_flows.schemas.dataset import Baseline

STATISTICS = (".norm_const", ".scales", ".shifts")
"""Ends of the names of the buffers that contain statistics of a dataset."""
_PRINTED_STATISTICS = ("scales:", "shifts:")
GRAPH_VERSION = 1
"""Version of the method by which graphs are made; a change invalidates stored graphs."""


def new_model(spec: NequIPSpec, elements: Sequence[str], seed: int) -> GraphModel:
    """Return a model with random parameters and statistics that depend on the seed; types are in sorted order."""
    elements = sorted(elements)
    baseline = Baseline(
        elements=elements,
        energy_shifts_eV={element: -1.0 - 0.1 * seed - index for index, element in enumerate(elements)},
        forces_rms_eV_per_angstrom={element: 0.5 + 0.1 * seed + 0.1 * i for i, element in enumerate(elements)},
        mean_n_neighbours=20.0 + seed,
    )
    arguments = model_config(spec, baseline, seed)
    del arguments["_target_"]
    with quiet_training(torch.get_num_threads()):
        return NequIPGNNModel(**arguments).eval()


def loaded_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and statistics of a model by name: everything in which models of an architecture differ."""
    statistics = {name: value for name, value in model.named_buffers() if name.endswith(STATISTICS)}
    return {**dict(model.named_parameters()), **statistics}


def architecture_key(model: GraphModel) -> str:
    """Return the key of an architecture: modules, types of atoms, cutoff, shapes of all tensors."""
    lines = [line for line in repr(model).splitlines() if not line.strip().startswith(_PRINTED_STATISTICS)]
    tensors: Mapping[str, torch.Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return content_key(
        "architectures",
        modules=lines,
        metadata={name: str(value) for name, value in model.metadata.items()},
        tensors={name: [str(value.dtype), list(value.shape)] for name, value in tensors.items()},
    )


def graph_key(architecture: str, device: str, n_threads: int) -> str:
    """Return the key of the compiled graph of an architecture on this machine."""
    return content_key(
        "compiled_potentials",
        architecture=architecture,
        device=device,
        machine=machine_type(device),
        n_threads=n_threads,
        versions={name: version(name) for name in ("nequip", "torch")},
        graph_version=GRAPH_VERSION,
    )


@functools.cache
def machine_type(device: str = "cpu") -> str:
    """Return the type of a machine: graphs run on machines of one type only.

    Code is compiled for all instructions of the processor, so the type contains the hash of its flags.
    """
    processor = (
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {content_key('cpu', flags=_flags())[:8]}"
    )
    if device != "cuda":
        return processor
    return f"{processor} {torch.cuda.get_device_name()}"


def _flags() -> list[str]:
    """Return the instruction sets of the first processor, sorted."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return [platform.processor()]
    # "Features" on ARM
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return sorted(found.partition(":")[2].split())
