//! A region that cannot be reached, made of a PostgreSQL that has only one: statements of the services that meet a row
//! homed there wait, as they do on a CockroachDB whose region lost its quorum; those that meet none are answered.

use platform_db::{Object, Pool};

use crate::{
    TestDb,
    db::{patiently, pool},
};

/// Whoever may see a row of a region holds the region's lock for a moment, which a hung region's holder never gives.
/// The owner of the tables, hence a test itself, sees past it. It is said to be dear, so that plans look at no more rows
/// than they must, as they do where a row is in another region.
const GUARD_TABLES: &str = "
    CREATE OR REPLACE FUNCTION public.answers(region TEXT) RETURNS BOOLEAN
    LANGUAGE plpgsql VOLATILE COST 1000000
    AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7, hashtext(region)); RETURN true; END';
    DO $$
    DECLARE t record;
    BEGIN
        FOR t IN
            SELECT c.table_schema, c.table_name
            FROM information_schema.columns AS c
            JOIN information_schema.tables USING (table_schema, table_name)
            WHERE c.column_name = 'region' AND table_type = 'BASE TABLE'
                AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
                AND NOT EXISTS (SELECT 1 FROM pg_policies AS p
                                WHERE p.schemaname = c.table_schema AND p.tablename = c.table_name)
        LOOP
            EXECUTE format(
                'CREATE POLICY answers ON %I.%I USING (public.answers(region))',
                t.table_schema, t.table_name);
            EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', t.table_schema, t.table_name);
        END LOOP;
    END $$";

/// A region that hangs until it is healed or this is dropped.
#[derive(Debug)]
#[must_use = "it hangs only as long as this lives"]
pub struct HungRegion {
    region: String,
    holder: Object,
    _connections: Pool,
}

impl TestDb {
    /// From now on no statement of the services gets past a row homed in `region`. Policies and advisory locks do it: on
    /// PostgreSQL only.
    pub async fn hang_region(&self, region: &str) -> HungRegion {
        self.query(GUARD_TABLES).await;
        let connections = pool(self.owner_url());
        let holder = patiently(|| connections.get()).await;
        let hung = HungRegion {
            region: region.to_owned(),
            holder,
            _connections: connections,
        };
        hung.run("pg_advisory_lock").await;
        hung
    }
}

impl HungRegion {
    /// Lets the region answer again; statements that waited go on.
    pub async fn heal(self) {
        self.run("pg_advisory_unlock").await;
    }

    async fn run(&self, function: &str) {
        let sql = format!("SELECT {function}(7, hashtext('{}'))", self.region);
        let done = self.holder.batch_execute(&sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}
