"""How content goes from node to node."""
