"""Write a synthetic vasprun.xml of molecular dynamics, with the elements that VASP writes and readers need."""

from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from interphase_flows.analysis.geometry.frames import ArrayFrames

HEADER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp </i><i name="version" type="string">6.4.2  </i></generator>
 <incar><i type="int" name="IBRION">     {ibrion}</i><i name="POTIM">      {potim:.8f}</i></incar>
 <kpoints><generation param="Gamma"><v type="int" name="divisions">       1        1        1 </v></generation>
  <varray name="kpointlist" ><v>       0.0       0.0       0.0 </v></varray>
  <varray name="weights" ><v>       1.0 </v></varray></kpoints>
 <parameters><separator name="ionic" ><i type="int" name="NSW">    99</i><i type="int" name="NELM">   60</i>
  <i type="int" name="IBRION">     {ibrion}</i><i name="POTIM">      {potim:.8f}</i></separator></parameters>
 <atominfo><atoms>  {n_atoms} </atoms><types>       {n_types} </types>
  <array name="atoms" ><dimension dim="1">ion</dimension><field type="string">element</field>
   <field type="int">atomtype</field><set>{atoms}</set></array>
  <array name="atomtypes" ><dimension dim="1">type</dimension><field type="int">atomspertype</field>
   <field type="string">element</field><field>mass</field><field>valence</field>
   <field type="string">pseudopotential</field>
   <set>{types}</set></array></atominfo>
"""


def write_vasprun(path: Path, truth: ArrayFrames, *, potim_fs: float, ibrion: int = 0) -> Path:
    """Write the frames as ionic steps."""
    kinds = sorted(set(truth.numbers.tolist()))
    symbols = [chemical_symbols[number] for number in truth.numbers]
    atoms = "".join(
        f"<rc><c>{symbol:2}</c><c>   {kinds.index(number) + 1}</c></rc>"
        for symbol, number in zip(symbols, truth.numbers, strict=True)
    )
    types = "".join(
        f"<rc><c>{symbols.count(chemical_symbols[kind])}</c><c>{chemical_symbols[kind]:2}</c><c>1.0</c><c>1.0</c>"
        f"<c>  PAW_PBE {chemical_symbols[kind]} 01Jan2001</c></rc>"
        for kind in kinds
    )
    text = HEADER.format(
        ibrion=ibrion, potim=potim_fs, n_atoms=truth.n_atoms, n_types=len(kinds), atoms=atoms, types=types
    )
    steps = [_structure(truth, 0, ' name="initialpos"')]
    for frame in range(truth.n_frames):
        forces = "".join("<v> 0.0 0.0 0.0 </v>" for _ in range(truth.n_atoms))
        steps.append(
            f' <calculation>\n  <scstep><energy><i name="e_fr_energy">-1.0</i></energy></scstep>\n'
            f"{_structure(truth, frame)}"
            f'  <varray name="forces" >{forces}</varray>\n'
            '  <energy><i name="e_fr_energy">-1.0 </i><i name="e_wo_entrp">-1.0 </i>'
            '<i name="e_0_energy">-1.0 </i></energy>\n'
            " </calculation>\n"
        )
    steps.append(_structure(truth, truth.n_frames - 1, ' name="finalpos"'))
    path.write_text(text + "".join(steps) + "</modeling>\n")
    return path


def _structure(truth: ArrayFrames, frame: int, name: str = "") -> str:
    cell = truth.cells[frame]
    basis = "".join("<v> {:.10f} {:.10f} {:.10f} </v>".format(*row) for row in cell)
    fractions = truth.all_positions[frame] @ np.linalg.inv(cell)
    positions = "".join("<v> {:.10f} {:.10f} {:.10f} </v>".format(*row) for row in fractions)
    return (
        f'  <structure{name}>\n   <crystal><varray name="basis" >{basis}</varray></crystal>\n'
        f'   <varray name="positions" >{positions}</varray>\n  </structure>\n'
    )
