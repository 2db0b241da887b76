-- What was computed, by the content of the question.
CREATE TABLE results (
    key        bytea  PRIMARY KEY CHECK (length(key) = 32),
    created_at bigint NOT NULL, -- milliseconds since 1970
    used_at    bigint NOT NULL, -- milliseconds since 1970
    bytes      bigint NOT NULL, -- of warnings and body
    digest     bytea  NOT NULL CHECK (length(digest) = 32), -- BLAKE3 over key, warnings and body
    warnings   bytea  NOT NULL, -- JSON
    body       bytea  NOT NULL  -- JSON
);

-- Compressing a large attention map takes PostgreSQL longer than writing it.
ALTER TABLE results ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX results_by_use ON results (used_at, key) INCLUDE (bytes);
CREATE INDEX results_by_age ON results (created_at);

-- Answers that were given: which results make them, and how they are put together.
CREATE TABLE responses (
    id         bytea  PRIMARY KEY CHECK (length(id) = 32),
    created_at bigint NOT NULL,
    used_at    bigint NOT NULL,
    shape      text   NOT NULL,
    keys       bytea  NOT NULL CHECK (length(keys) > 0 AND length(keys) % 32 = 0)
);

CREATE INDEX responses_by_use ON responses (used_at);
CREATE INDEX responses_by_age ON responses (created_at);

-- Who computes what at present. Not logged: after a crash of the database everyone begins anew.
CREATE UNLOGGED TABLE computing (
    key    bytea       PRIMARY KEY CHECK (length(key) = 32),
    holder uuid        NOT NULL, -- a server, named anew at each of its starts
    until  timestamptz NOT NULL  -- by the database's own clock
);

-- What was removed lately, for the memories of all servers. Whoever writes here holds an advisory lock until its
-- transaction ends, so that numbers become visible in order.
CREATE TABLE removals (
    number     bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    removed_at bigint  NOT NULL, -- milliseconds since 1970
    deleted    boolean NOT NULL, -- at someone's wish, rather than to make room
    result     bytea,            -- a key of results, or
    response   bytea,            -- an id of responses
    CHECK ((result IS NULL) <> (response IS NULL))
);

CREATE INDEX removals_by_age ON removals (removed_at);

-- Written to find out whether the database can be written to.
CREATE TABLE probe (
    id         integer PRIMARY KEY CHECK (id = 1),
    written_at bigint  NOT NULL
);
