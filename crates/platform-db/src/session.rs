//! One connection at work for one request: statements, counted.

use tokio_postgres::types::{FromSql, ToSql};

use crate::DbError;

/// A connection at work for one request. Independent statements polled together are pipelined.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// Every row of a statement.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn rows(
        &self,
        _sql: &'static str,
        _params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        unimplemented!()
    }

    /// The first row of a statement, if there is one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn row_opt(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// The row of a statement that always gives one.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if it did not.
    pub async fn row(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, DbError> {
        self.row_opt(sql, params).await?.ok_or(DbError::NoRow)
    }

    /// Runs a statement; how many rows it wrote.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn execute(
        &self,
        _sql: &'static str,
        _params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DbError> {
        unimplemented!()
    }
}

/// One row.
#[derive(Debug)]
pub struct Row(tokio_postgres::Row);

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// [`DbError::Decode`] when there is no such column, or it holds another type.
    pub fn get<T: for<'a> FromSql<'a>>(&self, column: &str) -> Result<T, DbError> {
        self.0
            .try_get(column)
            .map_err(|source| DbError::Decode { column: column.into(), source: Box::new(source) })
    }
}
