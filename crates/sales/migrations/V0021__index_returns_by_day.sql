CREATE INDEX IF NOT EXISTS returns_day_idx ON sales.returns (region, office, effective_date);
