CREATE INDEX IF NOT EXISTS orders_day_idx ON sales.orders (region, office, placed_date);
