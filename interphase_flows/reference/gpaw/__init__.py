"""GPAW: input, calculation in a subprocess, attempts, memory limits."""
