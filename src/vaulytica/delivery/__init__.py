"""The heart: how an event is delivered. Pure: no clock, socket, thread, file or random of its own.

Theory of operation: `flow.deliver` is a generator that asks for effects (send this, wait so long)
and is told the answers. A driver performs them: `driver/` has a sync and an async one, tests
have canned answers and a clock they own. So the logic of delivering is written once.
"""
