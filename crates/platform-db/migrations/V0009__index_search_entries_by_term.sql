CREATE INDEX IF NOT EXISTS search_entries_by_term ON platform.search_entries USING GIN (terms);
