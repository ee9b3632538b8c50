"""What people and their systems see of the relay: log, metrics, and what systemd is told."""
