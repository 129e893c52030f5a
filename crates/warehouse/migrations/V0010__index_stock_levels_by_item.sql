CREATE INDEX IF NOT EXISTS stock_levels_item_idx ON warehouse.stock_levels (region, item, office, location);
