-- An item is deleted only where no level of it is, in whatever region: the foreign key looks for one by its item.
CREATE INDEX IF NOT EXISTS stock_levels_of_item_idx ON warehouse.stock_levels (item);
