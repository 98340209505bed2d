"""What clients meet at a node they meet at the VIP too."""
