CREATE INDEX IF NOT EXISTS orders_age_idx ON sales.orders (region, office, created_at DESC, id DESC);
