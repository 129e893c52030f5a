CREATE TABLE IF NOT EXISTS sales.shipment_lines (
    region TEXT NOT NULL,
    shipment UUID NOT NULL,
    line UUID NOT NULL,
    item UUID NOT NULL,
    quantity INT8 NOT NULL,
    net_minor INT8 NOT NULL,
    tax_minor INT8 NOT NULL,
    cost_minor INT8 NOT NULL,
    movement UUID NOT NULL,
    CONSTRAINT shipment_lines_pkey PRIMARY KEY (region, shipment, line),
    CONSTRAINT shipment_lines_shipment_fkey FOREIGN KEY (region, shipment) REFERENCES sales.shipments (region, id),
    CONSTRAINT shipment_lines_line_fkey FOREIGN KEY (region, line) REFERENCES sales.order_lines (region, id),
    CONSTRAINT shipment_lines_movement_fkey FOREIGN KEY (region, movement) REFERENCES warehouse.stock_movements (region, id),
    CONSTRAINT shipment_lines_quantity_check CHECK (quantity BETWEEN 1 AND 9007199254740991),
    CONSTRAINT shipment_lines_amounts_check CHECK (net_minor >= 0 AND tax_minor >= 0 AND cost_minor >= 0)
);
