-- net_minor, tax_minor: what it invoices; cost_minor: what the goods had cost; deposit_minor: the deposit applied to it.
CREATE TABLE IF NOT EXISTS sales.shipments (
    region TEXT NOT NULL,
    id UUID NOT NULL,
    office TEXT NOT NULL,
    order_id UUID NOT NULL,
    currency TEXT NOT NULL,
    carrier TEXT,
    tracking TEXT,
    net_minor INT8 NOT NULL,
    tax_minor INT8 NOT NULL,
    cost_minor INT8 NOT NULL,
    deposit_minor INT8 NOT NULL,
    journal_entries UUID[] NOT NULL,
    effective_date DATE NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    CONSTRAINT shipments_pkey PRIMARY KEY (region, id),
    CONSTRAINT shipments_order_fkey FOREIGN KEY (region, order_id) REFERENCES sales.orders (region, id),
    CONSTRAINT shipments_amounts_check CHECK (net_minor >= 0 AND tax_minor >= 0 AND cost_minor >= 0 AND deposit_minor >= 0)
);
