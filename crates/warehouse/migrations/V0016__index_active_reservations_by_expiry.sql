CREATE INDEX IF NOT EXISTS reservations_expiry_idx ON warehouse.reservations (region, expires_at, id) WHERE status = 'active';
