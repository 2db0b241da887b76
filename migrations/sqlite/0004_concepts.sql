-- Directions that stand for something people have a word for, by the content of their definitions. Large columns last.
CREATE TABLE concepts (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 32),
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    model       TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    created_at  INTEGER NOT NULL, -- milliseconds since 1970
    digest      BLOB    NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over all else but created_at
    summary     BLOB    NOT NULL, -- JSON: what is told of it
    body        BLOB    NOT NULL, -- JSON: its vectors and examples
    UNIQUE (name, version)
) STRICT;

CREATE INDEX concepts_by_age ON concepts (created_at, id);

-- The greatest version given under each name, also where it was deleted; gone with the last concept of the name.
CREATE TABLE concept_names (
    name         TEXT    PRIMARY KEY,
    last_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
