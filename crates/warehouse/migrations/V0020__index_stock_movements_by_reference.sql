CREATE INDEX IF NOT EXISTS stock_movements_reference_idx ON warehouse.stock_movements (region, office, reference, recorded_at DESC, id DESC) WHERE reference IS NOT NULL;
