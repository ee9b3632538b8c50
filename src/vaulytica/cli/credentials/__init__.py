"""Credentials as options and config files have them: secrets by reference, put in; auth settings, put together."""
