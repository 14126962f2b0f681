"""Campaigns on a cluster: FireWorks holds the jobs, Slurm starts the workers that run them.

::

    submission   the campaign's flow becomes a workflow on the LaunchPad
    routing      which kind a job is, how urgent, and which task runs it
    launchpad    FireWorks' database, by the settings of this machine
    allocations  asks Slurm for workers, as many as ready jobs need
    worker       what such an allocation does: run jobs until there are none or time is over
    firetask     one job of a campaign in a worker: its workspace, its failures, its walltime
    recovery     jobs that nobody runs any more, found and run again
    bookkeeping  FireWorks' own books, mended after a kill between two writes
    reservations jobs of `qlaunch -r` whose queue job is gone
    patient_launchpad  FireWorks' database while its server restarts
    states       where the jobs of a campaign stand
    troubles     which were lost, by Slurm's word, and which failed
    holds        campaigns of which no job may start
    putting_away jobs that nobody shall run
    control      pause, release and cancel a campaign
    slurm        what the queue says
    site_checks  does a site have what campaigns need
    check_jobs   trivial jobs through every worker, for that
    check_words  why one of them did not come back
    probe        what such a job sees on its node
"""
