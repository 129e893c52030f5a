CREATE INDEX IF NOT EXISTS periods_age_idx ON accounting.periods (region, office, created_at DESC, period DESC);
