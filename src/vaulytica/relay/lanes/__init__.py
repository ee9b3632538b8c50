"""The lanes: one for each destination, which claims what is due, sends it as its pace allows, and settles it. `lanes` looks after them."""
