"""Custom payloads by Jinja2: two formats, what they render with, the sandbox, and its bounds."""
