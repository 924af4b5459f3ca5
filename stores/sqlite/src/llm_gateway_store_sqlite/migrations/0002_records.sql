-- A record is begun with its job and completed at its end; what turns have in common is counted as they end.

ALTER TABLE records ADD COLUMN ended_at INTEGER;  -- NULL: not over yet
UPDATE records SET ended_at = started_at;         -- those of before were written at the end

CREATE TABLE tallies (
    principal TEXT    NOT NULL,
    scope     TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    provider  TEXT    NOT NULL,
    model     TEXT    NOT NULL,     -- empty: unknown
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    counts    TEXT    NOT NULL,     -- a JSON object of integers
    PRIMARY KEY (principal, scope, key, provider, model)
) WITHOUT ROWID;

CREATE INDEX tallies_last ON tallies (last_at);
