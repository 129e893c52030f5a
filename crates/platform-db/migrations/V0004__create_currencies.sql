-- Lives everywhere. exponent = decimal digits of the minor unit (ISO 4217). Filled by `migrate`.
CREATE TABLE IF NOT EXISTS platform.currencies (
    code     TEXT NOT NULL,
    exponent INT8 NOT NULL,
    CONSTRAINT currencies_pkey PRIMARY KEY (code),
    CONSTRAINT currencies_exponent CHECK (exponent BETWEEN 0 AND 4)
);
