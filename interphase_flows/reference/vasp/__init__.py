"""VASP: input set, run under custodian, corrections, restart, output."""
