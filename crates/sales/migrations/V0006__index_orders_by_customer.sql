CREATE INDEX IF NOT EXISTS orders_customer_idx ON sales.orders (region, customer, created_at DESC, id DESC);
