CREATE INDEX IF NOT EXISTS accounts_age_idx ON accounting.accounts (created_at DESC, code DESC);
