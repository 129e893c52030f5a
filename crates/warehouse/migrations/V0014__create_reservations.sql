CREATE TABLE IF NOT EXISTS warehouse.reservations (
    region TEXT NOT NULL,
    id UUID NOT NULL,
    office TEXT NOT NULL,
    location TEXT NOT NULL,
    item UUID NOT NULL,
    quantity INT8 NOT NULL,
    order_line UUID,
    status TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    version INT8 NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT reservations_pkey PRIMARY KEY (region, id),
    CONSTRAINT reservations_level_fkey FOREIGN KEY (region, location, item) REFERENCES warehouse.stock_levels (region, location, item),
    CONSTRAINT reservations_quantity_check CHECK (quantity BETWEEN 1 AND 9007199254740991),
    CONSTRAINT reservations_status_check CHECK (status IN ('active', 'consumed', 'released', 'expired')),
    CONSTRAINT reservations_version_check CHECK (version >= 1)
);
