"""Drivers: perform what a flow asks for, until it returns. One for threads, one for asyncio.

They hold what a flow must not: the transport, the sleeping, and the locks: one caller at a time
fetches a token, one at a time looks at the pace. A crew is what runs many flows of one stream.
"""
