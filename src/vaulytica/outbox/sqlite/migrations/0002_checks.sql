-- Of the body, so that a byte that changes on the disk is noticed. None: kept by version 1, which had none.
ALTER TABLE outbox_batch ADD COLUMN crc INTEGER;

-- Delivered ones that are not kept for looking back any more: the others must be on disk.
ALTER TABLE outbox_destination ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
-- accepted + 8 delivered + 64 buried + 512 replayed + 4096 dropped + 32768 purged + 262144 gone, kept
-- beside them: counters that were changed in any other way do not fit it, even where they fit each other.
ALTER TABLE outbox_destination ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;
-- Since when nothing is to be sent there, until somebody resumes it; and why.
ALTER TABLE outbox_destination ADD COLUMN paused INTEGER;
ALTER TABLE outbox_destination ADD COLUMN pause TEXT;

UPDATE outbox_destination SET gone = delivered - coalesce((
  SELECT sum(d.events) FROM outbox_delivery d
  WHERE d.destination = outbox_destination.id AND d.state = 'delivered'), 0);
UPDATE outbox_destination SET proof =
  accepted + 8 * delivered + 64 * buried + 512 * replayed + 4096 * dropped + 32768 * purged + 262144 * gone;
