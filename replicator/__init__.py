"""The replicator: puts every file on every node.

`service` runs one, `engine` says what it does and when, `replica` makes the disk show what the index says.
Each folder is one side of it; `core` decides for all of them.
"""
