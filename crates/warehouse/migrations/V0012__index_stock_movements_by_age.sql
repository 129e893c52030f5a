CREATE INDEX IF NOT EXISTS stock_movements_age_idx ON warehouse.stock_movements (region, office, recorded_at DESC, id DESC);
