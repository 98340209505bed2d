"""How the replica learns what happened on its disk: events, scans, and reading again."""
