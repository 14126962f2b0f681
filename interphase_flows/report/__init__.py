"""The HTML report of a campaign, its figures and summaries for the terminal, from stored documents.

Imported by `cli`; computes nothing new and runs no job.
"""
