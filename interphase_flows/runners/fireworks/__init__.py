"""Campaigns on a cluster: FireWorks holds the jobs, Slurm starts the workers that run them.

``submission`` turns a campaign into a workflow, ``worker`` and ``firetask`` run its jobs, ``recovery`` reruns lost ones.
May import ``runners.slurm`` and the layers below the runners.
"""
