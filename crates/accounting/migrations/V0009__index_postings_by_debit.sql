CREATE INDEX IF NOT EXISTS postings_debit_idx ON accounting.postings (region, office, debit, effective_date, recorded_at, entry, line);
