"""Schemas of everything that is stored, one file per kind of document.

Documents are small: positions of trajectories and weights of models live in artifacts, to which a document refers.
Energies are in eV, forces in eV/Å, stress in eV/Å³ (tension positive), lengths in Å, times in fs, temperatures in K.
``key`` is the content key: the hash of what a document was computed from, not of what came out.
"""
