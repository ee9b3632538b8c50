-- All that the store asks of SQLite, by name. A test holds that the frequent ones use an index.

-- name: clock
SELECT seen FROM outbox_clock

-- name: set_clock
UPDATE outbox_clock SET seen = :now WHERE seen < :now

-- name: destinations
SELECT id, name FROM outbox_destination

-- name: add_destination
INSERT INTO outbox_destination (name) VALUES (:name) ON CONFLICT (name) DO NOTHING

-- name: destination
SELECT id FROM outbox_destination WHERE name = :name

-- name: put_batch
INSERT INTO outbox_batch (kept, events, refs, bound, body, crc)
VALUES (:kept, :events, :refs, :bound, :body, :crc)

-- name: put_delivery
INSERT INTO outbox_delivery (destination, batch, events, severity, state, kept, due, attempts, key, tried)
VALUES (:destination, :batch, :events, :severity, :state, :kept, :due, :attempts, :key, :tried)

-- name: count_accepted
UPDATE outbox_destination SET accepted = accepted + :events, proof = proof + :events WHERE id = :destination

-- name: has_pending_of_key
SELECT 1 FROM outbox_delivery
WHERE destination = :destination AND key = :key AND state IN ('fresh', 'deferred', 'claimed', 'held') AND id <> :id LIMIT 1

-- name: has_free_of_key
SELECT 1 FROM outbox_delivery
WHERE destination = :destination AND key = :key AND state IN ('fresh', 'deferred', 'claimed') LIMIT 1

-- name: has_free_before
SELECT 1 FROM outbox_delivery
WHERE destination = :destination AND key = :key AND state IN ('fresh', 'deferred', 'claimed') AND id < :id LIMIT 1

-- name: has_free_behind
SELECT 1 FROM outbox_delivery
WHERE destination = :destination AND key = :key AND state IN ('fresh', 'deferred', 'claimed') AND id > :id LIMIT 1

-- name: hold
UPDATE outbox_delivery SET state = 'held' WHERE id = :id

-- name: held_next
SELECT id, events, attempts, charged, excused FROM outbox_delivery
WHERE destination = :destination AND key = :key AND state = 'held' AND id > :id ORDER BY id

-- name: free_next_of_key
UPDATE outbox_delivery SET state = CASE attempts WHEN 0 THEN 'fresh' ELSE 'deferred' END WHERE id =
(SELECT min(id) FROM outbox_delivery WHERE destination = :destination AND key = :key AND state = 'held')

-- name: idempotent
SELECT ids, digest FROM outbox_idempotency WHERE key = :key AND expires > :now

-- name: remember_key
INSERT OR REPLACE INTO outbox_idempotency (key, ids, digest, expires) VALUES (:key, :ids, :digest, :expires)

-- name: mark
INSERT OR REPLACE INTO outbox_mark (source, position) VALUES (:source, :position)

-- name: marks
SELECT source, position FROM outbox_mark WHERE source >= :first AND source < :last

-- name: forget_mark
DELETE FROM outbox_mark WHERE source = :source

-- name: forget_keys
DELETE FROM outbox_idempotency WHERE key IN
(SELECT key FROM outbox_idempotency WHERE expires <= :now ORDER BY expires LIMIT :most)

-- name: expire
UPDATE outbox_delivery SET state = 'deferred', token = NULL, lease = NULL, owned = NULL
WHERE destination = :destination AND state = 'claimed' AND lease <= :now

-- name: disown
UPDATE outbox_delivery SET state = 'deferred', token = NULL, lease = NULL, owned = NULL
WHERE destination = :destination AND state = 'claimed' AND owned = 1

-- name: due
SELECT due, id, events, key FROM outbox_delivery
WHERE destination = :destination AND state = :state AND due <= :now ORDER BY due, id LIMIT :most

-- name: claim
UPDATE outbox_delivery SET state = 'claimed', token = :token, lease = :lease, owned = :owned
WHERE id = :id

-- name: claimed
SELECT d.id, d.events, b.body, b.crc, d.attempts, d.charged, d.kept, d.excused, d.key, d.tried
FROM outbox_delivery d JOIN outbox_batch b ON b.id = d.batch WHERE d.id = :id

-- name: extend
UPDATE outbox_delivery SET lease = :lease WHERE id = :id AND token = :token

-- name: held_claim
SELECT destination, batch, events, severity, kept, due, attempts, key, tried
FROM outbox_delivery WHERE id = :id AND token = :token

-- name: remove
DELETE FROM outbox_delivery WHERE id = :id

-- name: keep_delivered
UPDATE outbox_delivery SET state = 'delivered', due = :now, attempts = :attempts,
token = NULL, lease = NULL, owned = NULL WHERE id = :id

-- name: defer
UPDATE outbox_delivery SET state = :state, due = :due, attempts = :attempts, charged = :charged,
excused = :excused, tried = :tried, token = NULL, lease = NULL, owned = NULL WHERE id = :id

-- name: rebody
UPDATE outbox_delivery SET batch = :batch, events = :events WHERE id = :id

-- name: die
UPDATE outbox_delivery SET state = 'dead', due = :now, attempts = :attempts, tried = :tried,
token = NULL, lease = NULL, owned = NULL WHERE id = :id

-- name: release_batch
UPDATE outbox_batch SET refs = refs - 1 WHERE id = :batch

-- name: remove_batch
DELETE FROM outbox_batch WHERE id = :batch AND refs <= 1

-- name: body
SELECT body, crc FROM outbox_batch WHERE id = :batch

-- name: count_settled
UPDATE outbox_destination SET delivered = delivered + :delivered, buried = buried + :buried,
gone = gone + :gone, proof = proof + 8 * :delivered + 64 * :buried + 262144 * :gone
WHERE id = :destination

-- name: counts
SELECT id, name, CAST(accepted AS INTEGER), CAST(delivered AS INTEGER), CAST(buried AS INTEGER),
CAST(replayed AS INTEGER), CAST(dropped AS INTEGER), CAST(purged AS INTEGER)
FROM outbox_destination ORDER BY name

-- name: oldest
SELECT min(kept) FROM (
  SELECT * FROM (SELECT kept FROM outbox_delivery WHERE destination = :destination AND state = 'fresh' ORDER BY due LIMIT 1)
  UNION ALL SELECT kept FROM outbox_delivery WHERE destination = :destination AND state IN ('claimed', 'deferred'))

-- name: replay
UPDATE outbox_delivery SET state = :state, due = :now, charged = 0, excused = NULL WHERE id = :id

-- name: bury
UPDATE outbox_delivery SET state = 'dead', due = :now, tried = :tried WHERE id = :id

-- name: count_moved
UPDATE outbox_destination SET replayed = replayed + :replayed, buried = buried + :buried,
dropped = dropped + :dropped, purged = purged + :purged, gone = gone + :gone,
proof = proof + 64 * :buried + 512 * :replayed + 4096 * :dropped + 32768 * :purged + 262144 * :gone
WHERE id = :destination

-- name: row
SELECT destination, batch, events, severity, kept, due, attempts, key, tried FROM outbox_delivery WHERE id = :id

-- name: pending
SELECT coalesce(sum(accepted - delivered - buried + replayed - dropped), 0) FROM outbox_destination

-- name: least
SELECT state, id, destination, batch, events, severity, kept, due, attempts, key, tried FROM outbox_delivery
WHERE state IN ('fresh', 'deferred', 'held', 'claimed') AND (severity, id) > (:severity, :id)
ORDER BY severity, id LIMIT :most

-- name: index_least
CREATE INDEX IF NOT EXISTS outbox_delivery_least ON outbox_delivery (severity)
WHERE state IN ('fresh', 'deferred', 'held', 'claimed')

-- name: small_batches
SELECT id FROM outbox_batch WHERE id > :low AND id < :high AND length(body) < :small ORDER BY id LIMIT :most

-- name: last_batch
SELECT max(id) FROM outbox_batch

-- name: move_batch
UPDATE outbox_batch SET id = :to WHERE id = :batch

-- name: follow_batch
UPDATE outbox_delivery SET batch = :to WHERE batch = :batch

-- name: waiting
SELECT count(*) FROM outbox_delivery WHERE batch = :batch AND state IN ('fresh', 'deferred', 'held')

-- name: batch_size
SELECT refs, length(body) FROM outbox_batch WHERE id = :batch

-- name: retained
SELECT coalesce(sum(length(b.body) / (length(b.bound) - length(replace(b.bound, ' ', '')) + 1)), 0)
FROM outbox_delivery d JOIN outbox_batch b ON b.id = d.batch WHERE d.state = 'delivered'

-- name: share
SELECT length(body) / (length(bound) - length(replace(bound, ' ', '')) + 1) FROM outbox_batch WHERE id = :batch

-- name: delivered_before
SELECT due, id, batch, destination, events FROM outbox_delivery
WHERE destination = :destination AND state = 'delivered' AND due <= :before ORDER BY due LIMIT :most

-- name: name
SELECT name FROM outbox_destination WHERE id = :destination

-- name: browse
SELECT d.id, n.name, d.state, d.events, d.kept, d.due, d.attempts, d.key, d.tried, NULL
FROM outbox_delivery d NOT INDEXED CROSS JOIN outbox_destination n ON n.id = d.destination

-- name: browse_bodies
SELECT d.id, n.name, d.state, d.events, d.kept, d.due, d.attempts, d.key, d.tried, b.body
FROM outbox_delivery d NOT INDEXED CROSS JOIN outbox_destination n ON n.id = d.destination
JOIN outbox_batch b ON b.id = d.batch

-- name: sums
SELECT n.name, d.state, CAST(sum(d.events) AS INTEGER) FROM outbox_delivery d
JOIN outbox_destination n ON n.id = d.destination GROUP BY 1, 2

-- name: checks
SELECT name, CAST(delivered - gone AS INTEGER), proof = accepted + 8 * delivered + 64 * buried
+ 512 * replayed + 4096 * dropped + 32768 * purged + 262144 * gone FROM outbox_destination ORDER BY name

-- name: strange_deliveries
SELECT id FROM outbox_delivery
WHERE state NOT IN ('fresh', 'held', 'claimed', 'deferred', 'delivered', 'dead')
OR typeof(destination) != 'integer' OR typeof(batch) != 'integer' OR typeof(events) != 'integer'
OR typeof(kept) != 'integer' OR typeof(due) != 'integer' OR typeof(attempts) != 'integer'
OR typeof(charged) != 'integer' OR min(kept, due, attempts, charged) < 0 OR typeof(key) NOT IN ('null', 'text')
OR (state = 'claimed') != (typeof(token) || typeof(lease) = 'integerinteger') LIMIT :most

-- name: of_nobody
SELECT d.id FROM outbox_delivery d WHERE d.destination NOT IN (SELECT id FROM outbox_destination) LIMIT :most

-- name: held_by_nobody
SELECT min(h.id) FROM outbox_delivery h WHERE h.state = 'held' AND NOT EXISTS
(SELECT 1 FROM outbox_delivery f WHERE f.destination = h.destination AND f.key = h.key
AND f.state IN ('fresh', 'deferred', 'claimed')) GROUP BY h.destination, h.key LIMIT :most

-- name: tries
SELECT id, tried FROM outbox_delivery WHERE tried IS NOT NULL

-- name: without_batch
SELECT d.id FROM outbox_delivery d LEFT JOIN outbox_batch b ON b.id = d.batch WHERE b.id IS NULL LIMIT :most

-- name: without_delivery
SELECT b.id FROM outbox_batch b WHERE NOT EXISTS
(SELECT 1 FROM outbox_delivery d WHERE d.batch = b.id) LIMIT :most

-- name: odd_refs
SELECT b.id FROM outbox_batch b WHERE b.refs !=
(SELECT count(*) FROM outbox_delivery d WHERE d.batch = b.id) LIMIT :most

-- name: odd_events
SELECT d.id FROM outbox_delivery d JOIN outbox_batch b ON b.id = d.batch WHERE d.events != b.events LIMIT :most

-- name: bodies
SELECT id, events, body, crc FROM outbox_batch

-- name: total
SELECT count(*), coalesce(sum(d.events), 0)
FROM outbox_delivery d JOIN outbox_destination n ON n.id = d.destination

-- name: name_unknown
INSERT OR IGNORE INTO outbox_destination (id, name)
SELECT DISTINCT destination, 'unknown-' || destination FROM outbox_delivery

-- name: drop_without_batch
DELETE FROM outbox_delivery WHERE batch NOT IN (SELECT id FROM outbox_batch)

-- name: recount_events
UPDATE outbox_delivery SET events = (SELECT b.events FROM outbox_batch b WHERE b.id = batch)

-- name: drop_unreachable
DELETE FROM outbox_batch WHERE id NOT IN (SELECT batch FROM outbox_delivery)

-- name: recount_refs
UPDATE outbox_batch SET refs = (SELECT count(*) FROM outbox_delivery d WHERE d.batch = outbox_batch.id)

-- name: next_due
SELECT * FROM (SELECT due, id FROM outbox_delivery WHERE destination = :destination AND state = 'fresh' ORDER BY due LIMIT :most)
UNION ALL
SELECT * FROM (SELECT due, id FROM outbox_delivery WHERE destination = :destination AND state = 'deferred' ORDER BY due LIMIT :most)

-- name: recover_destination
INSERT OR IGNORE INTO outbox_destination
(id, name, accepted, delivered, buried, replayed, dropped, purged, gone, pause)
VALUES (:id, :name, :accepted, :delivered, :buried, :replayed, :dropped, :purged, :gone, :pause)

-- name: recover_batch
INSERT OR IGNORE INTO outbox_batch (id, kept, events, refs, bound, body, crc)
VALUES (:id, :kept, :events, :refs, :bound, :body, :crc)

-- name: recover_delivery
INSERT OR IGNORE INTO outbox_delivery
(id, destination, batch, events, severity, state, kept, due, attempts, charged, excused, key, tried)
VALUES (:id, :destination, :batch, :events, :severity, :state, :kept, :due, :attempts, :charged, :excused,
:key, :tried)

-- name: recover_key
INSERT OR IGNORE INTO outbox_idempotency (key, ids, digest, expires) VALUES (:key, :ids, :digest, :expires)

-- name: recover_mark
INSERT OR IGNORE INTO outbox_mark (source, position) VALUES (:source, :position)

-- name: recover_clock
UPDATE outbox_clock SET seen = max(seen, :seen)

-- name: free_all_held
UPDATE outbox_delivery SET state = 'fresh' WHERE state = 'held' AND (key IS NULL OR id IN
(SELECT min(h.id) FROM outbox_delivery h WHERE h.state = 'held' AND NOT EXISTS
(SELECT 1 FROM outbox_delivery f WHERE f.destination = h.destination AND f.key = h.key
AND f.state IN ('fresh', 'deferred', 'claimed')) GROUP BY h.destination, h.key))

-- name: set_counters
UPDATE outbox_destination SET accepted = :accepted, delivered = :delivered, buried = :buried,
replayed = :replayed, dropped = :dropped, purged = :purged, gone = :gone,
proof = :accepted + 8 * :delivered + 64 * :buried + 512 * :replayed + 4096 * :dropped + 32768 * :purged
+ 262144 * :gone WHERE id = :id

-- name: forget_sequence
DELETE FROM sqlite_sequence WHERE name = 'outbox_delivery'

-- name: recover_sequence
INSERT INTO sqlite_sequence (name, seq)
SELECT 'outbox_delivery', max(:highest, coalesce((SELECT max(id) FROM outbox_delivery), 0))

-- name: short_of_deliveries
SELECT b.id, b.refs, b.bound, b.kept, b.events FROM outbox_batch b WHERE b.refs >
(SELECT count(*) FROM outbox_delivery d WHERE d.batch = b.id)

-- name: deliveries_of_batch
SELECT destination, state FROM outbox_delivery WHERE batch = :batch

-- name: pause
UPDATE outbox_destination SET pause = :pause WHERE id = :destination

-- name: paused
SELECT name, pause FROM outbox_destination WHERE pause IS NOT NULL

-- name: is_paused
SELECT 1 FROM outbox_destination WHERE id = :destination AND pause IS NOT NULL
