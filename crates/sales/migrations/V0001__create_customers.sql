-- key_ids: the writes whose stored answers hold what is known of the person, so that anonymising scrubs them.
CREATE TABLE IF NOT EXISTS sales.customers (
    region TEXT NOT NULL,
    id UUID NOT NULL,
    office TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    email_key TEXT,
    phone TEXT,
    tax_id TEXT,
    status TEXT NOT NULL,
    key_ids UUID[] NOT NULL,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT customers_pkey PRIMARY KEY (region, id),
    CONSTRAINT customers_email_key UNIQUE (region, office, email_key),
    CONSTRAINT customers_office_fkey FOREIGN KEY (office) REFERENCES platform.offices (code),
    CONSTRAINT customers_status_check CHECK (status IN ('active', 'anonymised')),
    CONSTRAINT customers_version_check CHECK (version >= 1)
);
