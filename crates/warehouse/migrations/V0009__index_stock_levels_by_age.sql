CREATE INDEX IF NOT EXISTS stock_levels_age_idx ON warehouse.stock_levels (region, office, created_at DESC, id DESC);
