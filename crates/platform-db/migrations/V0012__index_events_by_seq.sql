CREATE UNIQUE INDEX IF NOT EXISTS events_seq_key ON platform.events (region, seq) WHERE seq IS NOT NULL;
