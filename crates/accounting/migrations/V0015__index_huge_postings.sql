CREATE INDEX IF NOT EXISTS postings_huge_idx ON accounting.postings (region, office) WHERE amount_minor > 8796093022208;
