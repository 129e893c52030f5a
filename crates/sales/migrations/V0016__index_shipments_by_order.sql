CREATE INDEX IF NOT EXISTS shipments_order_idx ON sales.shipments (region, order_id, created_at DESC, id DESC);
