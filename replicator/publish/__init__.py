"""What the ftpnode of this host asks, and how it is answered."""
