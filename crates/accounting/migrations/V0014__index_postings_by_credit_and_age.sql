CREATE INDEX IF NOT EXISTS postings_credit_age_idx ON accounting.postings (region, office, credit, recorded_at DESC, entry DESC) INCLUDE (effective_date);
