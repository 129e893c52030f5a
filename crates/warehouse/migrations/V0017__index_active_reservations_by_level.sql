CREATE INDEX IF NOT EXISTS reservations_level_idx ON warehouse.reservations (region, location, item, expires_at, id) WHERE status = 'active';
