-- One row per committed write, never changed and never purged: its id derives from (issuer, subject, key),
-- so a repeat after the key row's time still finds what it did.
CREATE TABLE IF NOT EXISTS platform.audit_log (
    region     TEXT        NOT NULL,
    id         UUID        NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    issuer     TEXT        NOT NULL,
    subject    TEXT        NOT NULL,
    scopes     TEXT[]      NOT NULL,
    scope      TEXT        NOT NULL,
    ip         TEXT,
    served_in  TEXT        NOT NULL,
    office     TEXT,
    request_id TEXT        NOT NULL,
    key        TEXT        NOT NULL,
    action     TEXT        NOT NULL,
    ids        TEXT[]      NOT NULL,
    before     JSONB,
    after      JSONB,
    location   TEXT,
    event_ids  TEXT[]      NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (region, id)
);
