CREATE TABLE IF NOT EXISTS warehouse.items (
    id UUID NOT NULL,
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    country_of_origin TEXT NOT NULL,
    unit TEXT NOT NULL,
    barcode TEXT,
    status TEXT NOT NULL,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT items_pkey PRIMARY KEY (id),
    CONSTRAINT items_sku_key UNIQUE (sku),
    CONSTRAINT items_unit_check CHECK (unit IN ('each', 'g', 'ml', 'mm')),
    CONSTRAINT items_status_check CHECK (status IN ('active', 'archived')),
    CONSTRAINT items_version_check CHECK (version >= 1)
);
