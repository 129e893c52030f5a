CREATE TABLE IF NOT EXISTS accounting.periods (
    region TEXT NOT NULL,
    office TEXT NOT NULL,
    period TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT periods_pkey PRIMARY KEY (region, office, period),
    CONSTRAINT periods_office_fkey FOREIGN KEY (office) REFERENCES platform.offices (code),
    CONSTRAINT periods_status_check CHECK (status IN ('open', 'closed')),
    CONSTRAINT periods_version_check CHECK (version >= 1)
);
