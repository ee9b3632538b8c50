"""Options that commands share, and the config that is made of them."""
