-- One row per committed write, in the home region of what it wrote: row present = effect committed.
-- The id derives from (issuer, subject, key). A void row (no status) says that nothing will ever be
-- written under its key.
CREATE TABLE IF NOT EXISTS platform.idempotency_keys (
    region       TEXT        NOT NULL,
    id           UUID        NOT NULL,
    issuer       TEXT        NOT NULL,
    subject      TEXT        NOT NULL,
    key          TEXT        NOT NULL,
    scope        TEXT        NOT NULL,
    method       TEXT        NOT NULL,
    path         TEXT        NOT NULL,
    fingerprint  BYTEA       NOT NULL,
    office       TEXT,
    request_id   TEXT        NOT NULL,
    served_in    TEXT        NOT NULL,
    status       INT8,
    location     TEXT,
    version      INT8,
    body         TEXT,
    effect_ids   TEXT[]      NOT NULL,
    committed_at TIMESTAMPTZ NOT NULL,
    expire_at    TIMESTAMPTZ NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (region, id),
    CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200 AND 299)
);
