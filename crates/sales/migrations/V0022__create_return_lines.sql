-- position: the place in the request, since one line may come back partly to the shelf and partly to scrap.
CREATE TABLE IF NOT EXISTS sales.return_lines (
    region TEXT NOT NULL,
    return_id UUID NOT NULL,
    position INT8 NOT NULL,
    line UUID NOT NULL,
    item UUID NOT NULL,
    quantity INT8 NOT NULL,
    disposition TEXT NOT NULL,
    reason TEXT NOT NULL,
    net_minor INT8 NOT NULL,
    tax_minor INT8 NOT NULL,
    cost_minor INT8 NOT NULL,
    movement UUID,
    CONSTRAINT return_lines_pkey PRIMARY KEY (region, return_id, position),
    CONSTRAINT return_lines_return_fkey FOREIGN KEY (region, return_id) REFERENCES sales.returns (region, id),
    CONSTRAINT return_lines_line_fkey FOREIGN KEY (region, line) REFERENCES sales.order_lines (region, id),
    CONSTRAINT return_lines_movement_fkey FOREIGN KEY (region, movement) REFERENCES warehouse.stock_movements (region, id),
    CONSTRAINT return_lines_disposition_check CHECK (disposition IN ('restock', 'scrap')),
    CONSTRAINT return_lines_quantity_check CHECK (quantity BETWEEN 1 AND 9007199254740991),
    CONSTRAINT return_lines_amounts_check CHECK (net_minor >= 0 AND tax_minor >= 0 AND cost_minor >= 0)
);
