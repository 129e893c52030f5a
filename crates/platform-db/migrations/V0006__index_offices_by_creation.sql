CREATE INDEX IF NOT EXISTS offices_by_creation
    ON platform.offices (created_at DESC, code DESC);
