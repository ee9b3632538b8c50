"""The door: what intakes hand over is sorted by where it goes, and kept if there is room. `accept` is all that intakes know of it."""
