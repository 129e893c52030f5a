-- Facts for the feed, stored with their write. seq is given later, gapless per region, by the sequencer.
CREATE TABLE IF NOT EXISTS platform.events (
    region           TEXT        NOT NULL,
    id               UUID        NOT NULL,
    time             TIMESTAMPTZ NOT NULL,
    kind             TEXT        NOT NULL,
    subject          TEXT        NOT NULL,
    office           TEXT,
    resource_version INT8        NOT NULL,
    request_id       TEXT        NOT NULL,
    data             JSONB       NOT NULL,
    seq              INT8,
    CONSTRAINT events_pkey PRIMARY KEY (region, id)
);
