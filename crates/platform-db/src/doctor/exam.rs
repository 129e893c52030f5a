//! What all checks share: the connections that they ask on, and what is known of the hosts.

use std::sync::Arc;

use futures_util::future::join_all;
use kernel::RegionTag;
use tokio_postgres::SimpleQueryMessage;

use super::{
    Patient,
    hosts::{self, HostFound},
};
use crate::{DbError, connection::Connection, engine::Engine, hosts::Hosts};

/// As the database shows it.
const NAME: &str = "meridian doctor";

/// Whatever is asked changes nothing.
const READ_ONLY: &str = "SET default_transaction_read_only = on; SET statement_timeout = '30s'";
/// A plan is asked for by EXPLAIN, which runs nothing, also of what writes. It waits for whoever changes a table.
const EXPLAINING: &str = "SET statement_timeout = '5s'";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Reading,
    Explaining,
}

/// An examination under way.
#[derive(Debug)]
pub(super) struct Exam {
    pub(super) patient: Patient,
    /// Every host of the URL, in its order.
    pub(super) hosts: Vec<HostFound>,
    all: Arc<Hosts>,
}

impl Exam {
    /// Asks every host of the URL who it is.
    pub(super) async fn begin(patient: Patient) -> Result<Self, DbError> {
        let all = Arc::new(Hosts::new(&patient.url, NAME)?);
        let each = Hosts::each(&patient.url, NAME)?.into_iter().map(Arc::new);
        let asked = each.map(|host| hosts::ask(host, &patient.clock));
        let hosts = join_all(asked).await;
        Ok(Self {
            patient,
            hosts,
            all,
        })
    }

    /// Of the first host that answers.
    pub(super) fn engine(&self) -> Option<Engine> {
        let answer = self.hosts.iter().find_map(|host| host.answer.as_ref().ok());
        answer.map(|answer| Engine::from_version(&answer.version))
    }

    /// Does some work on a connection of its own, which is closed behind it.
    pub(super) async fn on<T>(
        &self,
        purpose: For,
        work: impl AsyncFnOnce(&Line) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        if self.engine().is_none() {
            return Err(DbError::Connect {
                source: Arc::new(std::io::Error::other("no host of the URL answers")),
            });
        }
        let first = match purpose {
            For::Reading => READ_ONLY,
            For::Explaining => EXPLAINING,
        };
        let line = Line::to(&self.all).await?;
        line.run(first).await?;
        work(&line).await
    }

    /// What the servers have said of their own accord so far.
    pub(super) fn notices(&self) -> Vec<String> {
        self.all.notices()
    }

    /// What the cluster may call a region, our own name first.
    pub(super) fn names_of(&self, region: &RegionTag) -> Vec<String> {
        let sites = self.patient.sites.iter();
        let others = sites.filter(|site| site.tag == *region);
        let others = others.flat_map(|site| site.names.iter().cloned());
        let tag = region.to_string();
        let others: Vec<String> = others.filter(|name| *name != tag).collect();
        std::iter::once(tag).chain(others).collect()
    }

    /// The names of the schemas, as SQL text literals in a list.
    pub(super) fn schemas(&self) -> String {
        let quoted = self
            .patient
            .systems
            .iter()
            .map(|system| format!("'{}'", system.system));
        quoted.collect::<Vec<_>>().join(", ")
    }

    /// Every table of the systems that services may use, with its schema.
    pub(super) fn tables(&self) -> Vec<String> {
        let tables = self.patient.systems.iter().flat_map(|system| {
            let names = system.grants.iter();
            names.map(|(table, _)| format!("{}.{table}", system.system))
        });
        tables.collect()
    }
}

/// A connection of one check's own. What it says is read as text, by the simple protocol: names of regions are of a
/// type that drivers do not know. NULL is the empty text.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) client: Connection,
}

impl Line {
    /// A connection to the first of the hosts that gives one.
    pub(super) async fn to(hosts: &Arc<Hosts>) -> Result<Self, DbError> {
        let client = hosts.connect().await?;
        Ok(Self { client })
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), DbError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Every row.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, DbError> {
        let messages = self.client.simple_query(sql).await?;
        let rows = messages.iter().filter_map(|message| {
            let SimpleQueryMessage::Row(row) = message else {
                return None;
            };
            let value = |column| row.get(column).unwrap_or_default().to_owned();
            Some((0..row.len()).map(value).collect())
        });
        Ok(rows.collect())
    }

    /// The first column of every row.
    pub(super) async fn texts(&self, sql: &str) -> Result<Vec<String>, DbError> {
        let rows = self.rows(sql).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.into_iter().next())
            .collect())
    }

    /// The first column of the first row.
    pub(super) async fn text(&self, sql: &str) -> Result<String, DbError> {
        let texts = self.texts(sql).await?;
        texts.into_iter().next().ok_or(DbError::NoRow)
    }

    /// The same as a whole number.
    pub(super) async fn number(&self, sql: &str) -> Result<i64, DbError> {
        let text = self.text(sql).await?;
        text.parse().map_err(|source| DbError::Decode {
            column: sql.to_owned(),
            source: Arc::new(source),
        })
    }

    /// A text, unless the database refuses to say it: there is no such thing, or no right to ask.
    pub(super) async fn text_if_told(&self, sql: &str) -> Result<Option<String>, DbError> {
        match self.text(sql).await {
            Err(DbError::Sql { .. }) => Ok(None),
            text => text.map(Some),
        }
    }
}
