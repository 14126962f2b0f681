"""The HTML report of a campaign, its figures and summaries for the terminal, from stored documents.

Imported by `cli`. Reads stored documents only and runs no job.
"""

REPORT_NAME = "report.html"
