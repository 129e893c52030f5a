CREATE INDEX IF NOT EXISTS postings_debit_age_idx ON accounting.postings (region, office, debit, recorded_at DESC, entry DESC) INCLUDE (effective_date);
