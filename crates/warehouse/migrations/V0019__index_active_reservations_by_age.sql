CREATE INDEX IF NOT EXISTS reservations_active_age_idx ON warehouse.reservations (region, office, created_at DESC, id DESC) WHERE status = 'active';
