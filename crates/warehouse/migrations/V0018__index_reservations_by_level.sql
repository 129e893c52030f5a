CREATE INDEX IF NOT EXISTS reservations_level_age_idx ON warehouse.reservations (region, location, item, created_at DESC, id DESC);
