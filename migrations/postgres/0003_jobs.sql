-- What is asked about the rows of a dataset.
CREATE TABLE bulk_jobs (
    id                uuid    PRIMARY KEY, -- of version 7: the later, the greater
    created_at        bigint  NOT NULL, -- milliseconds since 1970
    endpoint          text    NOT NULL,
    model             text    NOT NULL,
    fingerprint       text    NOT NULL,
    dataset           bytea   NOT NULL CHECK (length(dataset) = 32), -- not always in `datasets`: one is in the program
    rows              bigint  NOT NULL CHECK (rows > 0),
    chunk_rows        bigint  NOT NULL CHECK (chunk_rows > 0),
    estimated_seconds double precision NOT NULL,
    state             text    NOT NULL CHECK (state IN ('accepted', 'queued', 'finished', 'cancelled')),
    head_start        bigint  NOT NULL, -- chunks
    done              bigint  NOT NULL CHECK (done <= rows), -- rows in `bulk_answers`
    failed            bigint  NOT NULL, -- of these
    started_at        bigint, -- milliseconds since 1970
    progressed_at     bigint, -- milliseconds since 1970
    ended_at          bigint, -- milliseconds since 1970
    removed           boolean NOT NULL, -- nobody sees it; its answers are yet to be swept away
    request           bytea   NOT NULL, -- JSON: the question without its text
    CHECK (NOT removed OR state IN ('finished', 'cancelled'))
);

CREATE INDEX bulk_jobs_going_on ON bulk_jobs (dataset) WHERE state IN ('accepted', 'queued');
CREATE INDEX bulk_jobs_accepted ON bulk_jobs (id) WHERE state = 'accepted';
CREATE INDEX bulk_jobs_removed ON bulk_jobs (id) WHERE removed;

-- At most one answer about a row, whoever brings it.
CREATE TABLE bulk_answers (
    job    uuid    NOT NULL,
    row    bigint  NOT NULL, -- from 0
    failed boolean NOT NULL,
    digest bytea   NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over job, row, failed and body
    body   bytea   NOT NULL, -- JSON: an answer, or a problem
    PRIMARY KEY (job, row)
);

CREATE INDEX bulk_answers_failed ON bulk_answers (job) WHERE failed;

-- Names that clients give their orders, so that an order that is sent twice is one job.
CREATE TABLE bulk_keys (
    key         text   PRIMARY KEY,
    reserved_at bigint NOT NULL, -- milliseconds since 1970
    job         uuid, -- none while the order is being taken in
    body_hash   bytea CHECK (length(body_hash) = 32), -- BLAKE3 of the order's body
    CHECK ((job IS NULL) = (body_hash IS NULL))
);

CREATE INDEX bulk_keys_by_job ON bulk_keys (job);
