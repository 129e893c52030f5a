-- When the order was fulfilled, cancelled or expired: it ends once.
ALTER TABLE sales.orders ADD COLUMN IF NOT EXISTS ended_at TIMESTAMPTZ;
