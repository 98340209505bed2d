"""What operators see of a replicator, and what they decide."""
