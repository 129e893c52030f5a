-- As that of shipments.
CREATE INDEX IF NOT EXISTS return_lines_line_idx ON sales.return_lines (region, line);
