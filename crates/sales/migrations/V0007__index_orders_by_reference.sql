CREATE INDEX IF NOT EXISTS orders_reference_idx ON sales.orders (region, reference, created_at DESC, id DESC) WHERE reference IS NOT NULL;
