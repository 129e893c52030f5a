CREATE INDEX IF NOT EXISTS idempotency_keys_expiry_idx ON platform.idempotency_keys (region, expire_at, id);
