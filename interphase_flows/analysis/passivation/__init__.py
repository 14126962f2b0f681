"""Passivation: rates with intervals, the equivalence test behind the verdict, survival and kinetic trapping."""
