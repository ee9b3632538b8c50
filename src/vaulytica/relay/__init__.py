"""The relay: takes events in, keeps them in the outbox, and delivers them to every destination that wants them.

`accept` is its door: intakes hand events over there, and say "accepted" only after. `router` tells which
destinations an event is for; each has a `lane` of its own. `relay` holds them together.
"""
