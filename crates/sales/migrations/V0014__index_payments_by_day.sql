CREATE INDEX IF NOT EXISTS payments_day_idx ON sales.payments (region, office, effective_date);
