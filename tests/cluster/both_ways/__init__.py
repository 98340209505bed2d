"""Real clients have the same conversations with a node and with the VIP before it."""
