CREATE INDEX IF NOT EXISTS shipments_day_idx ON sales.shipments (region, office, effective_date);
