-- Times are integer microseconds since 1970, UTC. `doc` is the noun as JSON (to_json of the kernel); what is queried or changed
-- has a column of its own, and where the two differ the column is right.

CREATE TABLE jobs (
    seq        INTEGER PRIMARY KEY,  -- the order of admission: a new row is always above all that are there
    id         TEXT    NOT NULL UNIQUE,
    state      TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    dedup_key  TEXT,
    session_id TEXT,                 -- no foreign key: a job outlives a forgotten session
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    fetched_at INTEGER,
    doc        BLOB    NOT NULL,
    CHECK ((ended_at IS NULL) = (state IN ('queued', 'running')))
);

-- Everything that admission asks is answered from this small index alone. ended_at stands in it, always NULL, because without it
-- the planner takes a scan of the whole table for cheaper.
CREATE INDEX jobs_unfinished ON jobs (ended_at, state, provider, session_id, owner) WHERE ended_at IS NULL;
CREATE INDEX jobs_ended ON jobs (ended_at, state) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_dedup ON jobs (principal, dedup_key, created_at) WHERE dedup_key IS NOT NULL;
CREATE INDEX jobs_session ON jobs (session_id, created_at) WHERE session_id IS NOT NULL;
CREATE INDEX jobs_created ON jobs (created_at);

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    provider     TEXT    NOT NULL,
    principal    TEXT    NOT NULL,
    working_dir  BLOB    NOT NULL,   -- bytes: a path need not be UTF-8
    native_id    TEXT,
    turns        INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    doc          BLOB    NOT NULL
);

CREATE UNIQUE INDEX sessions_native ON sessions (provider, native_id, principal) WHERE native_id IS NOT NULL;
CREATE INDEX sessions_used ON sessions (principal, last_used_at);

CREATE TABLE active_sessions (
    provider    TEXT NOT NULL,
    working_dir BLOB NOT NULL,
    principal   TEXT NOT NULL,
    session_id  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, working_dir, principal)
) WITHOUT ROWID;

CREATE INDEX active_sessions_session ON active_sessions (session_id);

CREATE TABLE records (
    seq           INTEGER PRIMARY KEY,
    job_id        TEXT    NOT NULL UNIQUE,
    session_id    TEXT,
    principal     TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    prefix_sha256 TEXT,
    started_at    INTEGER NOT NULL,
    doc           BLOB    NOT NULL
);

CREATE INDEX records_started ON records (started_at);
CREATE INDEX records_session ON records (session_id, started_at) WHERE session_id IS NOT NULL;
CREATE INDEX records_prefix ON records (prefix_sha256, started_at) WHERE prefix_sha256 IS NOT NULL;

CREATE TABLE verdicts (
    seq        INTEGER PRIMARY KEY,
    principal  TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    decided_at INTEGER NOT NULL,
    doc        BLOB    NOT NULL
);

CREATE INDEX verdicts_principal ON verdicts (principal, decided_at);
CREATE INDEX verdicts_decided ON verdicts (decided_at);
