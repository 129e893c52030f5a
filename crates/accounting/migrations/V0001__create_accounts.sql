CREATE TABLE IF NOT EXISTS accounting.accounts (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    normal TEXT NOT NULL,
    status TEXT NOT NULL,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (code),
    CONSTRAINT accounts_type_check CHECK (type IN ('asset', 'liability', 'equity', 'revenue', 'expense')),
    CONSTRAINT accounts_normal_check CHECK (normal IN ('debit', 'credit')),
    CONSTRAINT accounts_status_check CHECK (status IN ('active')),
    CONSTRAINT accounts_version_check CHECK (version >= 1)
);
