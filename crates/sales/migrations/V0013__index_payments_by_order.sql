CREATE INDEX IF NOT EXISTS payments_order_idx ON sales.payments (region, order_id, created_at DESC, id DESC);
