"""What users import: the guide's path, and a handler for Python's `logging`."""
