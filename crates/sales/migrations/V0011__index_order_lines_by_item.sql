CREATE INDEX IF NOT EXISTS order_lines_item_idx ON sales.order_lines (item);
