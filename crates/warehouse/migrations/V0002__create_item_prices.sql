CREATE TABLE IF NOT EXISTS warehouse.item_prices (
    item UUID NOT NULL,
    currency TEXT NOT NULL,
    valid_from TIMESTAMPTZ NOT NULL,
    amount_minor INT8 NOT NULL,
    CONSTRAINT item_prices_pkey PRIMARY KEY (item, currency, valid_from),
    CONSTRAINT item_prices_item_fkey FOREIGN KEY (item) REFERENCES warehouse.items (id) ON DELETE CASCADE,
    CONSTRAINT item_prices_currency_fkey FOREIGN KEY (currency) REFERENCES platform.currencies (code),
    CONSTRAINT item_prices_amount_check CHECK (amount_minor BETWEEN 0 AND 9007199254740991)
);
