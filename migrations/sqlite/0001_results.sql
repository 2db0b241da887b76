-- What was computed, by the content of the question. Large columns last: scans for size and age
-- then stay on the first page of a row.
CREATE TABLE results (
    id         INTEGER PRIMARY KEY,
    key        BLOB    NOT NULL UNIQUE CHECK (length(key) = 32),
    created_at INTEGER NOT NULL, -- milliseconds since 1970
    used_at    INTEGER NOT NULL, -- milliseconds since 1970
    bytes      INTEGER NOT NULL, -- of warnings and body
    digest     BLOB    NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over key, warnings and body
    warnings   BLOB    NOT NULL, -- JSON
    body       BLOB    NOT NULL  -- JSON
) STRICT;

CREATE INDEX results_by_use ON results (used_at, bytes);
CREATE INDEX results_by_age ON results (created_at);

-- Answers that were given: which results make them, and how they are put together.
CREATE TABLE responses (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 32),
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    shape      TEXT    NOT NULL,
    keys       BLOB    NOT NULL CHECK (length(keys) > 0 AND length(keys) % 32 = 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_by_use ON responses (used_at);
CREATE INDEX responses_by_age ON responses (created_at);

-- Written to find out whether the database can be written to.
CREATE TABLE probe (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;
