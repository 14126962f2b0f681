"""Growth kinetics: laws fitted to a thickness or a share, model selection, depletion, averages over replicas."""
