"""Set up and check a cluster: site files, probe jobs through every worker, diagnosis."""
