CREATE INDEX IF NOT EXISTS items_status_age_idx ON warehouse.items (status, created_at DESC, id DESC);
