CREATE INDEX IF NOT EXISTS orders_status_idx ON sales.orders (region, office, status, created_at DESC, id DESC);
