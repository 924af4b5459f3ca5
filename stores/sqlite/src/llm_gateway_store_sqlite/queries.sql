-- Named queries; queries.py says how they are read. Selects of whole nouns keep the column order that rows.py expects.

-- ---------------------------------------------------------------------------------------------------------- admission

-- name: find_duplicate
-- The youngest job that answers the same request: one that has not ended, or one that left the files as they are now; of the
-- latter not one of a time when the clock went ahead.
SELECT doc, id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, ended_at, fetched_at, left_state
FROM jobs
WHERE principal = :principal AND dedup_key = :dedup_key
  AND (ended_at IS NULL
       OR state = 'completed' AND left_state = :found_state AND created_at > :after AND created_at < :until)
ORDER BY created_at DESC, seq DESC LIMIT 1

-- name: places
-- How full the gateway is, for a new job of this provider and session: running, running of the provider, queued, whether a queued job
-- of the provider waits for a place, whether the session is busy. A job that waits only for its session does not wait for a place.
SELECT (SELECT count(*) FROM jobs WHERE ended_at IS NULL AND state = 'running'),
       (SELECT count(*) FROM jobs WHERE ended_at IS NULL AND state = 'running' AND provider = :provider),
       (SELECT count(*) FROM jobs WHERE state = 'queued'),
       EXISTS (SELECT 1 FROM jobs AS waiting
               WHERE state = 'queued' AND provider = :provider
                 AND (session_id IS NULL
                      OR NOT EXISTS (SELECT 1 FROM jobs AS earlier
                                     WHERE earlier.ended_at IS NULL AND earlier.session_id = waiting.session_id
                                       AND earlier.seq < waiting.seq))),
       EXISTS (SELECT 1 FROM jobs WHERE ended_at IS NULL AND +session_id = :session_id)

-- name: insert_job
INSERT INTO jobs (id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, doc)
VALUES (:id, :state, :provider, :principal, :owner, :dedup_key, :session_id, :created_at, :started_at, :doc)

-- name: has_queued
-- Asked without the write lock: most of the time there is nothing to claim.
SELECT 1 FROM jobs WHERE ended_at IS NULL AND state = 'queued' AND owner = :owner LIMIT 1

-- name: running
SELECT provider, session_id FROM jobs WHERE ended_at IS NULL AND state = 'running'

-- name: queued_providers
SELECT DISTINCT provider FROM jobs WHERE state = 'queued'

-- name: queue
-- Read row by row, until there is no place: a long queue costs nothing.
SELECT seq, session_id, owner FROM jobs WHERE state = 'queued' AND provider = :provider ORDER BY seq

-- name: start_job
UPDATE jobs SET state = 'running', started_at = :now WHERE seq = :seq

-- name: job_by_seq
SELECT doc, id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, ended_at, fetched_at, left_state
FROM jobs WHERE seq = :seq

-- ------------------------------------------------------------------------------------------------------- a job's life

-- name: finish_job
-- Compare-and-set: a final state is written once, by the owner.
UPDATE jobs
SET state = :state, started_at = coalesce(:started_at, started_at), ended_at = :ended_at, left_state = :left_state,
    doc = :doc
WHERE id = :id AND owner = :owner AND ended_at IS NULL

-- name: touch_session
UPDATE sessions SET last_used_at = max(last_used_at, :used_at) WHERE id = (SELECT session_id FROM jobs WHERE id = :job_id)

-- name: bind_native_id
-- A conversation belongs to one session: an id that another session has already, whoever's it is, is not bound again.
UPDATE sessions SET native_id = :native_id
WHERE id = (SELECT session_id FROM jobs WHERE id = :job_id) AND native_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM sessions AS other
                  WHERE other.provider = sessions.provider AND other.native_id = :native_id)

-- name: cancel_queued
UPDATE jobs SET state = 'canceled', ended_at = :now WHERE id = :id AND state = 'queued'

-- name: take_over
UPDATE jobs SET owner = :to_owner WHERE id = :id AND owner = :from_owner AND ended_at IS NULL

-- name: mark_fetched
UPDATE jobs SET fetched_at = :now WHERE id = :id AND ended_at IS NOT NULL AND fetched_at IS NULL

-- name: count_turn
UPDATE sessions SET turns = turns + 1
WHERE id = (SELECT session_id FROM jobs WHERE id = :id AND state = 'completed')

-- name: get_job
SELECT doc, id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, ended_at, fetched_at, left_state
FROM jobs WHERE id = :id

-- name: list_jobs
-- {scope} is one of the fixed conditions in store.py: it lets the planner choose the index.
SELECT doc, id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, ended_at, fetched_at, left_state
FROM jobs
WHERE {scope}
  AND (:principal IS NULL OR principal = :principal)
  AND (:provider IS NULL OR provider = :provider)
  AND (:states IS NULL OR instr(:states, ',' || state || ',') > 0)
ORDER BY seq DESC LIMIT :limit

-- name: unfinished
SELECT doc, id, state, provider, principal, owner, dedup_key, session_id, created_at, started_at, ended_at, fetched_at, left_state
FROM jobs WHERE ended_at IS NULL ORDER BY seq

-- name: owners
SELECT DISTINCT owner FROM jobs WHERE ended_at IS NULL

-- name: queue_place
-- 0: not queued.
SELECT count(*) FROM jobs
WHERE state = 'queued' AND +seq <= (SELECT seq FROM jobs WHERE id = :id AND state = 'queued')

-- name: old_jobs
SELECT seq, id FROM jobs WHERE ended_at IS NOT NULL AND ended_at < :before ORDER BY ended_at LIMIT :limit

-- name: delete_job
DELETE FROM jobs WHERE seq = :seq

-- name: prune_records
-- What is not over yet stays with its job.
DELETE FROM records
WHERE seq IN (SELECT seq FROM records WHERE started_at < :before AND ended_at IS NOT NULL ORDER BY started_at LIMIT :limit)

-- name: prune_tallies
DELETE FROM tallies
WHERE (principal, scope, key, provider, model) IN
      (SELECT principal, scope, key, provider, model FROM tallies WHERE last_at < :before ORDER BY last_at LIMIT :limit)

-- name: prune_verdicts
DELETE FROM verdicts
WHERE seq IN (SELECT seq FROM verdicts WHERE decided_at < :before ORDER BY decided_at LIMIT :limit)

-- name: count_unfinished
SELECT state, count(*) FROM jobs WHERE ended_at IS NULL GROUP BY state

-- name: count_ended
SELECT count(*) FROM jobs WHERE ended_at IS NOT NULL

-- name: count_not_completed
SELECT state, count(*) FROM jobs WHERE ended_at IS NOT NULL AND state <> 'completed' GROUP BY state

-- ----------------------------------------------------------------------------------------------------------- sessions

-- name: has_session
SELECT 1 FROM sessions WHERE id = :id

-- name: native_id_taken
SELECT 1 FROM sessions WHERE provider = :provider AND native_id = :native_id AND principal = :principal AND id <> :id

-- name: put_session
INSERT INTO sessions (id, provider, principal, working_dir, native_id, turns, created_at, last_used_at, doc)
VALUES (:id, :provider, :principal, :working_dir, :native_id, :turns, :created_at, :last_used_at, :doc)
ON CONFLICT (id) DO UPDATE SET
    provider = excluded.provider, principal = excluded.principal, working_dir = excluded.working_dir,
    native_id = excluded.native_id, turns = excluded.turns, created_at = excluded.created_at,
    last_used_at = excluded.last_used_at, doc = excluded.doc

-- name: get_session
SELECT doc, native_id, turns, last_used_at FROM sessions WHERE id = :id

-- name: find_session
SELECT doc, native_id, turns, last_used_at FROM sessions
WHERE provider = :provider AND native_id = :native_id AND principal = :principal

-- name: find_any_session
SELECT doc, native_id, turns, last_used_at FROM sessions
WHERE provider = :provider AND native_id = :native_id ORDER BY principal LIMIT 1

-- name: list_sessions
SELECT doc, native_id, turns, last_used_at FROM sessions
WHERE principal = :principal
  AND (:provider IS NULL OR provider = :provider)
  AND (:working_dir IS NULL OR working_dir = :working_dir)
ORDER BY last_used_at DESC, created_at DESC, id LIMIT :limit

-- name: delete_session
DELETE FROM sessions WHERE id = :id

-- name: active_session
SELECT s.doc, s.native_id, s.turns, s.last_used_at
FROM active_sessions AS a JOIN sessions AS s ON s.id = a.session_id
WHERE a.provider = :provider AND a.working_dir = :working_dir AND a.principal = :principal

-- name: set_active
INSERT INTO active_sessions (provider, working_dir, principal, session_id)
VALUES (:provider, :working_dir, :principal, :session_id)
ON CONFLICT (provider, working_dir, principal) DO UPDATE SET session_id = excluded.session_id

-- name: clear_active
DELETE FROM active_sessions WHERE provider = :provider AND working_dir = :working_dir AND principal = :principal

-- ----------------------------------------------------------------------------------------------- records and verdicts

-- name: put_record
-- The end of a turn takes the place of its beginning.
INSERT INTO records (job_id, session_id, principal, provider, prefix_sha256, started_at, ended_at, doc, words)
VALUES (:job_id, :session_id, :principal, :provider, :prefix_sha256, :started_at, :ended_at, :doc, :words)
ON CONFLICT (job_id) DO UPDATE SET
    session_id = excluded.session_id, principal = excluded.principal, provider = excluded.provider,
    prefix_sha256 = excluded.prefix_sha256, started_at = excluded.started_at, ended_at = excluded.ended_at,
    doc = excluded.doc, words = excluded.words

-- name: get_record
SELECT doc FROM records WHERE job_id = :id

-- name: get_words
SELECT words FROM records WHERE job_id = :id

-- name: list_records
SELECT doc FROM records
WHERE {scope} AND ended_at IS NOT NULL AND (:principal IS NULL OR principal = :principal)
ORDER BY started_at DESC, seq DESC LIMIT :limit

-- name: earlier_in_session
SELECT doc FROM records
WHERE session_id = :key AND principal = :principal AND provider = :provider AND ended_at IS NOT NULL AND job_id <> :job_id
ORDER BY started_at DESC, seq DESC LIMIT :limit

-- name: earlier_of_prefix
SELECT doc FROM records
WHERE prefix_sha256 = :key AND principal = :principal AND provider = :provider AND ended_at IS NOT NULL AND job_id <> :job_id
ORDER BY started_at DESC, seq DESC LIMIT :limit

-- name: get_tally
SELECT first_at, last_at, counts FROM tallies
WHERE principal = :principal AND scope = :scope AND key = :key AND provider = :provider AND model = :model

-- name: put_tally
INSERT OR REPLACE INTO tallies (principal, scope, key, provider, model, first_at, last_at, counts)
VALUES (:principal, :scope, :key, :provider, :model, :first_at, :last_at, :counts)

-- name: list_tallies
SELECT key, provider, model, first_at, last_at, counts FROM tallies
WHERE principal = :principal AND scope = :scope AND key BETWEEN :first AND :last
ORDER BY key, provider, model

-- name: insert_verdict
INSERT INTO verdicts (principal, provider, decided_at, doc) VALUES (:principal, :provider, :decided_at, :doc)

-- name: list_verdicts
SELECT doc FROM verdicts
WHERE principal = :principal AND (:provider IS NULL OR provider = :provider)
ORDER BY decided_at DESC, seq DESC LIMIT :limit
