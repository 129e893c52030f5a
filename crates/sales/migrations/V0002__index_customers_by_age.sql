CREATE INDEX IF NOT EXISTS customers_age_idx ON sales.customers (region, office, created_at DESC, id DESC);
