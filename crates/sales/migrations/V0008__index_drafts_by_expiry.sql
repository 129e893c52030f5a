CREATE INDEX IF NOT EXISTS orders_expiry_idx ON sales.orders (region, expires_at, id) WHERE status = 'draft';
