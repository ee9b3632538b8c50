"""What commands give out: lines on the terminal, progress, what became of every event, and files of it."""
