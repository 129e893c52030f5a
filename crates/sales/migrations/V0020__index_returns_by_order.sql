CREATE INDEX IF NOT EXISTS returns_order_idx ON sales.returns (region, order_id, created_at DESC, id DESC);
