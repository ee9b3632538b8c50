"""The relay: takes events in, keeps them in the outbox, and delivers them to every destination that wants them.

`intake` is how they get in, `door` sorts them by where they go and keeps them, `lanes` deliver them. `relay` holds
these together; beside it are what serves, looks after and tells of the whole. docs/ARCHITECTURE.md has an event's way.
"""
