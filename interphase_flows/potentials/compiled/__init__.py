"""Compiled potentials: one AOTInductor graph per architecture, into which the parameters of any member are loaded."""
