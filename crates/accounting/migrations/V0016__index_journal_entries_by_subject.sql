CREATE INDEX IF NOT EXISTS journal_entries_subject_idx ON accounting.journal_entries (region, office, subject_type, subject_id, recorded_at, id) WHERE subject_id IS NOT NULL;
