-- Directions that stand for something people have a word for, by the content of their definitions.
CREATE TABLE concepts (
    id          bytea  PRIMARY KEY CHECK (length(id) = 32),
    name        text   NOT NULL,
    version     bigint NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    model       text   NOT NULL,
    fingerprint text   NOT NULL,
    created_at  bigint NOT NULL, -- milliseconds since 1970
    digest      bytea  NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over all else but created_at
    summary     bytea  NOT NULL, -- JSON: what is told of it
    body        bytea  NOT NULL, -- JSON: its vectors and examples
    UNIQUE (name, version)
);

CREATE INDEX concepts_by_age ON concepts (created_at, id);

-- The greatest version given under each name, also where it was deleted; gone with the last concept of the name. Whoever
-- changes anything under a name holds its row here until the transaction ends.
CREATE TABLE concept_names (
    name         text   PRIMARY KEY,
    last_version bigint NOT NULL
);
