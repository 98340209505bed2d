"""What stands on this node's disk: the tree, what is staged, and what is kept beside it."""
