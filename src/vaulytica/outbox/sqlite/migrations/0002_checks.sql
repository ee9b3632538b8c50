-- A checksum of the events, so that a byte that changes on the disk is noticed (checksum.py has its form).
-- None: kept by version 1, which had none. It stands before the body, whose end may be pages away.
CREATE TABLE outbox_batch_2 (
  id INTEGER PRIMARY KEY,
  kept INTEGER NOT NULL,
  events INTEGER NOT NULL,
  refs INTEGER NOT NULL,                 -- deliveries that have it; gone with the last
  bound TEXT NOT NULL,                   -- ids of the destinations, so that a lost delivery can be told
  crc BLOB,
  body BLOB NOT NULL
);
INSERT INTO outbox_batch_2 SELECT id, kept, events, refs, bound, NULL, body FROM outbox_batch;
DROP TABLE outbox_batch;
ALTER TABLE outbox_batch_2 RENAME TO outbox_batch;

-- Delivered ones that are not kept for looking back any more: the others must be on disk.
ALTER TABLE outbox_destination ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
-- accepted + 8 delivered + 64 buried + 512 replayed + 4096 dropped + 32768 purged + 262144 gone, kept
-- beside them: counters that were changed in any other way do not fit it, even where they fit each other.
ALTER TABLE outbox_destination ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;
-- Nothing is to be sent there until somebody resumes it: since when, and why, as JSON.
ALTER TABLE outbox_destination ADD COLUMN pause TEXT;

UPDATE outbox_destination SET gone = delivered - coalesce((
  SELECT sum(d.events) FROM outbox_delivery d
  WHERE d.destination = outbox_destination.id AND d.state = 'delivered'), 0);
UPDATE outbox_destination SET proof =
  accepted + 8 * delivered + 64 * buried + 512 * replayed + 4096 * dropped + 32768 * purged + 262144 * gone;
