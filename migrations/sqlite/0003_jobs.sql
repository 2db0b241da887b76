-- What is asked about the rows of a dataset. Names of tables make no difference of case here, and a queue may have
-- its own `Jobs` and `Workers`: hence the names.
CREATE TABLE bulk_jobs (
    id                BLOB    PRIMARY KEY CHECK (length(id) = 16), -- a UUID of version 7: the later, the greater
    created_at        INTEGER NOT NULL, -- milliseconds since 1970
    endpoint          TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    fingerprint       TEXT    NOT NULL,
    dataset           BLOB    NOT NULL CHECK (length(dataset) = 32), -- not always in `datasets`: one is in the program
    rows              INTEGER NOT NULL CHECK (rows > 0),
    chunk_rows        INTEGER NOT NULL CHECK (chunk_rows > 0),
    estimated_seconds REAL    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('accepted', 'queued', 'finished', 'cancelled')),
    head_start        INTEGER NOT NULL, -- chunks
    done              INTEGER NOT NULL CHECK (done <= rows), -- rows in `bulk_answers`
    failed            INTEGER NOT NULL, -- of these
    started_at        INTEGER, -- milliseconds since 1970
    progressed_at     INTEGER, -- milliseconds since 1970
    ended_at          INTEGER, -- milliseconds since 1970
    removed           INTEGER NOT NULL CHECK (removed IN (0, 1)), -- nobody sees it; its answers are yet to be swept away
    request           BLOB    NOT NULL, -- JSON: the question without its text
    CHECK (removed = 0 OR state IN ('finished', 'cancelled'))
) STRICT;

CREATE INDEX bulk_jobs_going_on ON bulk_jobs (dataset) WHERE state IN ('accepted', 'queued');
CREATE INDEX bulk_jobs_accepted ON bulk_jobs (id) WHERE state = 'accepted';
CREATE INDEX bulk_jobs_removed ON bulk_jobs (id) WHERE removed = 1;

-- At most one answer about a row, whoever brings it.
CREATE TABLE bulk_answers (
    job    BLOB    NOT NULL,
    row    INTEGER NOT NULL, -- from 0
    failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
    digest BLOB    NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over job, row, failed and body
    body   BLOB    NOT NULL, -- JSON: an answer, or a problem
    PRIMARY KEY (job, row)
) STRICT;

CREATE INDEX bulk_answers_failed ON bulk_answers (job) WHERE failed = 1;

-- Names that clients give their orders, so that an order that is sent twice is one job.
CREATE TABLE bulk_keys (
    key         TEXT    PRIMARY KEY,
    reserved_at INTEGER NOT NULL, -- milliseconds since 1970
    job         BLOB, -- none while the order is being taken in
    body_hash   BLOB CHECK (length(body_hash) = 32), -- BLAKE3 of the order's body
    CHECK ((job IS NULL) = (body_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX bulk_keys_by_job ON bulk_keys (job);
