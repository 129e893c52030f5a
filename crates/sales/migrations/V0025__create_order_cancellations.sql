-- Units that were cancelled together, line by line. Rows are only ever added, and outlive the lines of a draft.
CREATE TABLE IF NOT EXISTS sales.order_cancellations (
    region TEXT NOT NULL,
    order_id UUID NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    line UUID NOT NULL,
    quantity INT8 NOT NULL,
    CONSTRAINT order_cancellations_pkey PRIMARY KEY (region, order_id, at, line),
    CONSTRAINT order_cancellations_order_fkey FOREIGN KEY (region, order_id) REFERENCES sales.orders (region, id),
    CONSTRAINT order_cancellations_quantity_check CHECK (quantity BETWEEN 1 AND 9007199254740991)
);
