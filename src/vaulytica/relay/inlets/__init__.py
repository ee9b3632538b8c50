"""Inlets: the servers and the sources that are open, as long as the config says so."""
