"""Reference methods that compute labels: CHGNet, GPAW, VASP, behind the protocol of `labelling.py`.

One file or folder per method. May import atomate2 and custodian as libraries, but no jobflow, FireWorks or database.
"""
