CREATE INDEX IF NOT EXISTS audit_log_time_idx ON platform.audit_log (region, at DESC, id DESC);
