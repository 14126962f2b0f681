"""Runs a campaign on this machine: jobs in dependency order (`flow_runner`), in worker processes (`worker_pool`)."""
