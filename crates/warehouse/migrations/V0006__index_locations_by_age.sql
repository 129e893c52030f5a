CREATE INDEX IF NOT EXISTS locations_age_idx ON warehouse.locations (created_at DESC, code DESC);
