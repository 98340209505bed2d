"""What all parts agree on: the settings file, the protocols between the programs, durable files, the clock.

A leaf: nothing in here knows ftpnode, replicator, balancer or stations.
"""
