"""Decides; touches no clock, disk, socket, thread or log."""
