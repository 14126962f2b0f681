"""Slurm: its commands, and the allocations in which workers run."""
