#![doc = include_str!("../README.md")]

pub mod auth;
pub mod config;
pub mod csv;
mod error;
mod exchange;
mod expand;
mod export;
mod feed;
mod fields;
mod finish;
mod headers;
mod import;
mod json;
mod limiter;
mod metrics;
mod newest;
mod openapi;
mod output;
mod pages;
mod paging;
mod params;
mod pipeline;
mod place;
mod probes;
pub mod problem;
mod query;
mod reply;
mod report;
mod server;
mod service;
mod suggest;
mod upload;
mod write;

pub use auth::{
    AnyToken, Caller, Can, EdgeLocation, JwksSource, KeysError, Open, Permission, Verifier,
    permission,
};
pub use config::{HttpConfig, Limits, Quota, TrustedProxies};
pub use error::ApiError;
pub use expand::Expanding;
pub use export::{Export, ExportFormat, ExportRequest, ExportRow, ExportSink, ExportStopped};
pub use feed::{Feed, Places};
pub use fields::Fields;
pub use import::{
    Column, ImportBatch, ImportFormat, ImportMode, ImportParams, ImportRequest, ImportResult,
    ImportRow, Lines, RowIds,
};
pub use openapi::document_faults;
pub use pages::documented_codes;
pub use paging::{AllowPartial, Limit, Listed, Paging};
pub use params::{Params, Segment, Segments};
pub use place::{LocatedBy, locate};
pub use problem::{Effect, ParameterError, Problem, ProblemType, ToProblem};
pub use reply::{Expanded, Found, Written};
pub use report::{Format, Report, Tabled};
pub use server::serve;
pub use service::{Readiness, Service, ServiceParts, System, document, readiness, service};
pub use write::{JsonRequest, WriteRequest};
