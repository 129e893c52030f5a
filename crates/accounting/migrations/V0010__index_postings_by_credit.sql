CREATE INDEX IF NOT EXISTS postings_credit_idx ON accounting.postings (region, office, credit, effective_date, recorded_at, entry, line);
