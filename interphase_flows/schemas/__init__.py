"""Schemas of everything that is stored, one file per kind of document.

Documents are small: trajectories and weights of models are stored as artifacts, to which a document refers.
Energies are in eV, forces in eV/Å, stress in eV/Å³ (tension positive), lengths in Å, times in fs, temperatures in K.
``key`` is the content key: the hash of the inputs of a document, not of its content.
"""
