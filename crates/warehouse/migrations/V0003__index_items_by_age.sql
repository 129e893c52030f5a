CREATE INDEX IF NOT EXISTS items_age_idx ON warehouse.items (created_at DESC, id DESC);
