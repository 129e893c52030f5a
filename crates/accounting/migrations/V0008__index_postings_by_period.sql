CREATE INDEX IF NOT EXISTS postings_period_idx ON accounting.postings (region, office, period, debit, credit) INCLUDE (currency, effective_date, recorded_at, amount_minor);
