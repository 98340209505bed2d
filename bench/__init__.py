"""One question a file: our part and its peers side by side in one run, and the ratio between them.

`python -m bench.NAME [--quick] [--json FILE]` prints a table and writes
`{"machine": …, "figures": …, "ratios": {"NAME": value}, "growth": {…}}`.
A ratio above 1 is always better than the peer.
"""
