-- Rows of text to work on, by the content of the rows.
CREATE TABLE datasets (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 32),
    created_at INTEGER NOT NULL, -- milliseconds since 1970
    upload     BLOB    NOT NULL UNIQUE CHECK (length(upload) = 16), -- whose rows it shows
    name       TEXT,
    rows       INTEGER NOT NULL CHECK (rows > 0),
    bytes      INTEGER NOT NULL, -- of all rows
    summary    BLOB    NOT NULL  -- JSON: what is told of the rows
) STRICT;

CREATE INDEX datasets_by_age ON datasets (created_at, id);

-- Whose rows no dataset shows: what is being uploaded, what was cut off, what belonged to a deleted dataset.
CREATE TABLE dataset_uploads (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16), -- a UUID
    touched_at INTEGER NOT NULL, -- milliseconds since 1970
    abandoned  INTEGER NOT NULL CHECK (abandoned IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_rows (
    upload BLOB    NOT NULL,
    number INTEGER NOT NULL, -- from 0
    digest BLOB    NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over number and body
    body   BLOB    NOT NULL, -- JSON: the row in its canonical form
    PRIMARY KEY (upload, number)
) STRICT;
