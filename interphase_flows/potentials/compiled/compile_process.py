"""Compile the graph of an architecture, in the subprocess that `compiler` starts.

Reads a request as JSON from standard input, and writes the graph and the names of its constants. NequIP traces a model
without its names, so parameters and statistics are set to values that occur only once, by which constants are
recognised.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interphase_flows.exceptions import CompilationError
from interphase_flows.potentials.compiled.architecture import STATISTICS, loaded_tensors, new_model
from interphase_flows.potentials.compiled.check_frames import check_frames
from interphase_flows.potentials.spec import NequIPSpec

TAG_SEED = 1
POLL_INTERVAL_S = 1.0


def tag(tensors: Mapping[str, torch.Tensor]) -> None:
    """Set all tensors to random values, so that no two are equal."""
    generator = torch.Generator().manual_seed(TAG_SEED)
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64))


def names_of_constants(constants: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return the name in the model for each constant of the graph that is loaded.

    Statistics that the model does not use (the number of neighbours is read from its first layer) are no constants.

    Raises
    ------
    CompilationError
        A parameter is none of the constants, so the compiler has changed it.
    """
    names = {}
    for constant, value in constants.items():
        if not isinstance(value, torch.Tensor):
            continue
        for name, tensor in tensors.items():
            if tensor.shape == value.shape and tensor.dtype == value.dtype and torch.equal(tensor, value):
                names[constant] = name
    parameters = {name for name in tensors if not name.endswith(STATISTICS)}
    if missing := sorted(parameters - set(names.values())):
        raise CompilationError(f"the compiled graph has no constant for {', '.join(missing)}")
    return names


def compile_to(spec: NequIPSpec, elements: list[str], device: str, graph: Path) -> dict[str, str]:
    """Compile the graph of an architecture to a file, and return the names of its constants."""
    from nequip.data import AtomicDataDict
    from nequip.integrations.ase import NequIPCalculator
    from nequip.integrations.utils import basic_transforms
    from nequip.scripts._compile_utils import ASE_TARGET
    from nequip.scripts._workflow_utils import set_workflow_state
    from nequip.utils.aot import aot_export_model
    from nequip.utils.aoti_metadata import (
        NEQUIP_AOTI_INPUTS_KEY,
        NEQUIP_AOTI_OUTPUTS_KEY,
        serialize_aoti_keys,
    )
    from nequip.utils.global_state import get_latest_global_state, set_global_state

    set_workflow_state("compile")
    set_global_state(allow_tf32=False)
    model = new_model(spec, elements, seed=TAG_SEED)
    tensors = loaded_tensors(model)
    tag(tensors)
    types = sorted(elements)
    transforms = basic_transforms(model.metadata, spec.cutoff_angstrom, types, {name: name for name in types})
    calculator = NequIPCalculator(model, device, transforms=transforms)
    data = calculator.atoms_to_data(check_frames(types, spec.cutoff_angstrom)[0])
    data = ASE_TARGET["data_settings"](AtomicDataDict.to_(data, torch.device(device)))
    metadata: dict[str, Any] = {**model.metadata, **get_latest_global_state(only_metadata_related=True)}
    metadata = {name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in metadata.items()}
    metadata[NEQUIP_AOTI_INPUTS_KEY] = serialize_aoti_keys(ASE_TARGET["input"])
    metadata[NEQUIP_AOTI_OUTPUTS_KEY] = serialize_aoti_keys(ASE_TARGET["output"])
    sizes = {name: torch.export.dynamic_shapes.Dim(f"num_{name}s", min=2) for name in ("node", "edge")}
    constants: dict[str, Any] = {}
    package = torch._inductor.aoti_compile_and_package

    def recorded_package(exported: Any, **options: Any) -> str:
        constants.update({**exported.state_dict, **exported.constants})
        return str(package(exported, **options))

    # NequIP's export does not return the constants
    torch._inductor.aoti_compile_and_package = recorded_package  # type: ignore[assignment]
    aot_export_model(
        model=model,
        device=device,
        input_fields=ASE_TARGET["input"],
        output_fields=ASE_TARGET["output"],
        data=data,
        batch_map=ASE_TARGET["batch_map_settings"](dict(sizes)),
        output_path=str(graph),
        inductor_configs={"aot_inductor.metadata": metadata},
    )
    return names_of_constants(constants, tensors)


def _end_with_parent(parent_pid: int) -> None:
    """Kill this process and the compilers that it has started when its parent has died."""
    while os.getppid() == parent_pid:
        time.sleep(POLL_INTERVAL_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Compile as requested on standard input."""
    warnings.filterwarnings("ignore")
    request = json.load(sys.stdin)
    threading.Thread(target=_end_with_parent, args=(request["parent_pid"],), daemon=True).start()
    torch.set_num_threads(request["n_threads"])
    names = compile_to(NequIPSpec(**request["spec"]), request["elements"], request["device"], Path(request["graph"]))
    Path(request["constants"]).write_text(json.dumps(names))


if __name__ == "__main__":
    main()
