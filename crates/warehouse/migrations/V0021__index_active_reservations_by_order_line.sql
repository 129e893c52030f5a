CREATE UNIQUE INDEX IF NOT EXISTS reservations_line_key ON warehouse.reservations (region, order_line) WHERE status = 'active';
