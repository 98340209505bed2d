"""The replicator: puts every file on every node; see replicator/service.py for how its parts fit together."""
