CREATE INDEX IF NOT EXISTS journal_entries_age_idx ON accounting.journal_entries (region, office, recorded_at DESC, id DESC);
