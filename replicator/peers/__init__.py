"""The other replicators: connections, what is said over them, and what each is known to have."""
