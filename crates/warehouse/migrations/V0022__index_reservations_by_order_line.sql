CREATE INDEX IF NOT EXISTS reservations_order_line_idx ON warehouse.reservations (region, order_line, created_at, id) WHERE order_line IS NOT NULL;
