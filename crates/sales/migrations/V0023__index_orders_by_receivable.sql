CREATE INDEX IF NOT EXISTS orders_receivable_idx ON sales.orders (region, office) WHERE receivable_minor <> 0;
