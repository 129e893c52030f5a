CREATE TABLE IF NOT EXISTS warehouse.locations (
    code TEXT NOT NULL,
    office TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT locations_pkey PRIMARY KEY (code),
    CONSTRAINT locations_office_fkey FOREIGN KEY (office) REFERENCES platform.offices (code),
    CONSTRAINT locations_kind_check CHECK (kind IN ('store', 'depot', 'virtual')),
    CONSTRAINT locations_version_check CHECK (version >= 1)
);
