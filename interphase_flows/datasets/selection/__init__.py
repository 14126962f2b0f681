"""Selection of structures to label: initial structures, and strategies for candidates of the loop."""
