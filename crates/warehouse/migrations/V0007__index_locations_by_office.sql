CREATE INDEX IF NOT EXISTS locations_office_age_idx ON warehouse.locations (office, created_at DESC, code DESC);
