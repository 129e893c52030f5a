-- The lines of a draft are replaced only where nothing of them was shipped: the foreign key looks for that by the line.
CREATE INDEX IF NOT EXISTS shipment_lines_line_idx ON sales.shipment_lines (region, line);
