-- One row per resource that can be searched for, in the resource's home region, written with the resource. What
-- the numbers in terms stand for is told in src/search/terms.rs.
CREATE TABLE IF NOT EXISTS platform.search_entries (
    region TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    office TEXT,
    title  TEXT   NOT NULL,
    terms  INT8[] NOT NULL,
    CONSTRAINT search_entries_pkey PRIMARY KEY (region, kind, id)
);
