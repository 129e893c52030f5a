//! Reports: one answer, as JSON or as the table of its rows, whichever the client asks for.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header, request::Parts};
use serde::Serialize;

use crate::{Found, csv, headers};

/// What `Accept` asks for. For operations whose document says that they answer `application/json` and `text/csv`;
/// whoever accepts neither has got 406 by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The default, and what `*/*` means.
    Json,
    /// Preferred to JSON, or all that is acceptable.
    Csv,
}

impl<S: Send + Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let weight = |kind, subtype| headers::weight(&parts.headers, kind, subtype);
        if weight("text", "csv") > weight("application", "json") {
            Ok(Self::Csv)
        } else {
            Ok(Self::Json)
        }
    }
}

/// What can be written as a table too.
pub trait Tabled: Serialize {
    /// Its columns, named as the members of its rows.
    const COLUMNS: &'static [&'static str];

    /// Writes its rows.
    fn write_rows(&self, table: &mut csv::Table);
}

/// A report. Describe both types: `responses((status = 200, content((View = "application/json"), (String = "text/csv"))))`.
#[derive(Debug, Clone)]
pub struct Report<T> {
    /// How it is wanted.
    pub format: Format,
    /// What it says.
    pub body: T,
}

impl<T: Tabled> IntoResponse for Report<T> {
    fn into_response(self) -> Response {
        let mut response = match self.format {
            Format::Json => Found::plain(self.body).into_response(),
            Format::Csv => {
                let mut table = csv::Table::new(T::COLUMNS);
                self.body.write_rows(&mut table);
                let kind = [(header::CONTENT_TYPE, csv::CONTENT_TYPE)];
                (kind, table.into_bytes()).into_response()
            }
        };
        response
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
        response
    }
}
