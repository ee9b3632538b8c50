"""Import paths kept for users; nothing is implemented here."""
