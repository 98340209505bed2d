"""What this replica remembers, in memory and in SQLite."""
