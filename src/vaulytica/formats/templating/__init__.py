"""Custom payloads by Jinja2: the format, the sandbox it renders in, and the bounds of that."""
