"""Jobs of molecular dynamics: segments of runs, their observables, and the walkers that they advance."""
