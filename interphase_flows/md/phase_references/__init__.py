"""Phase references: short thermal runs of known phases, from which the phase classifier is fitted."""
