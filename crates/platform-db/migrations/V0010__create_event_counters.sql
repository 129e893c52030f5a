-- seq: the number given last to an event of the region; purged: the highest number whose event is deleted.
-- Whoever numbers or deletes events locks this row first.
CREATE TABLE IF NOT EXISTS platform.event_counters (
    region TEXT NOT NULL,
    seq    INT8 NOT NULL,
    purged INT8 NOT NULL,
    CONSTRAINT event_counters_pkey PRIMARY KEY (region),
    CONSTRAINT event_counters_purged CHECK (0 <= purged AND purged <= seq)
);
