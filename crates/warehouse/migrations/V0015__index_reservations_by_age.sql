CREATE INDEX IF NOT EXISTS reservations_age_idx ON warehouse.reservations (region, office, created_at DESC, id DESC);
