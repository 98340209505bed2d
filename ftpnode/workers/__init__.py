"""One ftpnode as several processes (`workers: N`): a supervisor, and workers that serve the clients.

Two pairs of sockets join each worker to the supervisor: on one it asks the node's tally and waits for the answer, on
the other it gets orders. Either end learns by their closing that the other has died.
"""
