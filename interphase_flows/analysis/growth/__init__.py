"""Growth kinetics: laws fitted to a thickness or a fraction, model selection, depletion, averages over replicas."""
