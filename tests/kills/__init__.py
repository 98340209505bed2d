"""Random SIGKILLs of ftpnodes and replicators while clients upload: what was acknowledged is kept, and no part shows.

`make kills` runs it at length; `tests/cluster/test_kills.py` runs the same briefly.
"""
