-- Rows of text to work on, by the content of the rows.
CREATE TABLE datasets (
    id         bytea  PRIMARY KEY CHECK (length(id) = 32),
    created_at bigint NOT NULL, -- milliseconds since 1970
    upload     uuid   NOT NULL UNIQUE, -- whose rows it shows
    name       text,
    rows       bigint NOT NULL CHECK (rows > 0),
    bytes      bigint NOT NULL, -- of all rows
    summary    bytea  NOT NULL  -- JSON: what is told of the rows
);

CREATE INDEX datasets_by_age ON datasets (created_at, id);

-- Whose rows no dataset shows: what is being uploaded, what was cut off, what belonged to a deleted dataset.
CREATE TABLE dataset_uploads (
    id         uuid    PRIMARY KEY,
    touched_at bigint  NOT NULL, -- milliseconds since 1970
    abandoned  boolean NOT NULL
);

CREATE TABLE dataset_rows (
    upload uuid   NOT NULL,
    number bigint NOT NULL, -- from 0
    digest bytea  NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over number and body
    body   bytea  NOT NULL, -- JSON: the row in its canonical form
    PRIMARY KEY (upload, number)
);
