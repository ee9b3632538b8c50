"""Transports: how a request reaches the network."""
