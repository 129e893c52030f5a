CREATE INDEX IF NOT EXISTS stock_movements_level_idx ON warehouse.stock_movements (region, location, item, recorded_at DESC, id DESC) INCLUDE (delta, value_delta_minor);
