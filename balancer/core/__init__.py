"""Decides everything the balancer says and does: values in, values out."""
