INSERT INTO accounting.accounts (code, name, type, normal, status, version, created_at, updated_at)
VALUES
    ('1000', 'Bank', 'asset', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('1100', 'Receivables', 'asset', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('1300', 'Inventory', 'asset', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('1350', 'In transit', 'asset', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('1390', 'Due from offices', 'asset', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('2050', 'Goods received not invoiced', 'liability', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('2100', 'Sales tax', 'liability', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('2200', 'Customer deposits', 'liability', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('2390', 'Due to offices', 'liability', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('3100', 'Opening balances', 'equity', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('4000', 'Revenue', 'revenue', 'credit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('4900', 'Returns', 'revenue', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('5000', 'Cost of goods sold', 'expense', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())),
    ('5900', 'Stock adjustments', 'expense', 'debit', 'active', 1, date_trunc('milliseconds', now()), date_trunc('milliseconds', now()))
ON CONFLICT (code) DO NOTHING;
