"""What ftpnode decides, as pure functions over frozen values: no clock, disk, socket, thread or log."""
