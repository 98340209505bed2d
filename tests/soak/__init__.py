"""Three real replicators, several writers, and every fault that a host may have: in the end all is alike and explained.

`make soak` runs it at length; `tests/cluster/test_soak.py` runs the same briefly.
"""
