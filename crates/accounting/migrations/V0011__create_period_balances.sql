CREATE TABLE IF NOT EXISTS accounting.period_balances (
    region TEXT NOT NULL,
    office TEXT NOT NULL,
    period TEXT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    debit_minor NUMERIC NOT NULL,
    credit_minor NUMERIC NOT NULL,
    CONSTRAINT period_balances_pkey PRIMARY KEY (region, office, period, account, currency),
    CONSTRAINT period_balances_period_fkey FOREIGN KEY (region, office, period) REFERENCES accounting.periods (region, office, period),
    CONSTRAINT period_balances_account_fkey FOREIGN KEY (account) REFERENCES accounting.accounts (code)
);
