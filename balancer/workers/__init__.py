"""One balancer as several processes (`balancer.workers: N`): a head, and workers that serve the sessions.

The head lets clients in, counts them, chooses nodes, probes and answers operators; it gives each client's socket to a
worker. Either end of the line between them learns by its closing that the other has died.
"""
