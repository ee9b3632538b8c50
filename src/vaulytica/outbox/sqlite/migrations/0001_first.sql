-- Times are milliseconds since 1970, by the outbox's own clock (clock.py).

-- The counters that the law is checked by; they change in the same transaction as the rows.
CREATE TABLE outbox_destination (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  accepted INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,
  buried INTEGER NOT NULL DEFAULT 0,     -- became dead letters
  replayed INTEGER NOT NULL DEFAULT 0,   -- dead letters put back
  dropped INTEGER NOT NULL DEFAULT 0,    -- pending ones thrown away
  purged INTEGER NOT NULL DEFAULT 0      -- dead letters thrown away
);

-- Events, once for all their destinations: a line of JSON each.
CREATE TABLE outbox_batch (
  id INTEGER PRIMARY KEY,
  kept INTEGER NOT NULL,
  events INTEGER NOT NULL,
  refs INTEGER NOT NULL,                 -- deliveries that have it; gone with the last
  bound TEXT NOT NULL,                   -- ids of the destinations, so that a lost delivery can be told
  body BLOB NOT NULL
);

CREATE TABLE outbox_delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: people note it down
  destination INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  events INTEGER NOT NULL,
  severity INTEGER NOT NULL,             -- the highest level of its events
  state TEXT NOT NULL,
  kept INTEGER NOT NULL,
  due INTEGER NOT NULL,                  -- when to try; of those delivered or dead: since when
  attempts INTEGER NOT NULL DEFAULT 0,
  charged INTEGER NOT NULL DEFAULT 0,    -- attempts that count against the retries
  excused INTEGER,                       -- since when its destination was busy or down
  token INTEGER,                         -- of its claim: who has not got it can settle nothing
  lease INTEGER,                         -- when the claim ends
  owned INTEGER,                         -- 1: claimed by the outbox's owner, which is one at a time
  key TEXT,
  tried BLOB                             -- attempts that failed, as JSON
);

-- Claims and retention read it from its beginning, so they cost the same however many there are.
CREATE INDEX outbox_delivery_due ON outbox_delivery (destination, state, due);
CREATE INDEX outbox_delivery_key ON outbox_delivery (destination, key, state) WHERE key IS NOT NULL;
CREATE INDEX outbox_delivery_batch ON outbox_delivery (batch);

CREATE TABLE outbox_idempotency (
  key TEXT PRIMARY KEY,
  ids TEXT NOT NULL,                     -- one a line
  digest TEXT NOT NULL DEFAULT '',       -- of what was asked
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX outbox_idempotency_expires ON outbox_idempotency (expires);

-- How far sources have been read, in the same transaction as what was read.
CREATE TABLE outbox_mark (source TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE outbox_clock (seen INTEGER NOT NULL);
INSERT INTO outbox_clock VALUES (0);
