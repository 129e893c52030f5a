CREATE INDEX IF NOT EXISTS events_unsequenced_idx ON platform.events (region, time, resource_version, id) WHERE seq IS NULL;
