//! Reads of levels and movements.

use kernel::{
    Call, Common, OpError, PageRequest, Principal, ReadWant, Timestamp,
    id::{LevelId, MovementId},
};
use platform_db::{AsOf, Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::filters::{StockWanted, resolve};
use crate::{
    App,
    domain::{
        level::SeenLevel,
        movement::{Movement, MovementKind},
    },
    storage::{
        levels::{self, LevelFilter},
        movements::{self, MovementFilter},
    },
};

/// When what is wanted was made, and the moment to show it at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
    pub(crate) as_of: Option<Timestamp>,
}

/// With `as_of`: a level that was not there then does not exist.
pub(crate) async fn get_level(
    app: &App,
    (call, want): (&Call, ReadWant),
    id: LevelId,
    as_of: Option<Timestamp>,
) -> Result<(SeenLevel, Option<AsOf>), OpError<Never>> {
    let as_of = app.db.as_of(call, as_of).await?;
    let what = format!("level {id}");
    let spec = ReadSpec {
        operation: "get_level",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let (regions, at) = (app.db.regions().to_vec(), as_of.map(|as_of| as_of.at));
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            levels::get(session, &regions, &id, at).await
        })
        .await?;
    let level = read.value.ok_or(Common::NotFound { what })?;
    Ok((level, as_of))
}

pub(crate) async fn list_levels(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    (wanted, times): (StockWanted, Times),
    page: PageRequest,
) -> Result<(Read<Vec<SeenLevel>>, Option<AsOf>), OpError<Never>> {
    let as_of = app.db.as_of(call, times.as_of).await?;
    let location = wanted.location.clone();
    let (offices, item) = resolve(app, (call, principal), wanted).await?;
    let over = ReadOver::new("list_levels", want, page.snapshot, offices);
    let filter = LevelFilter {
        location,
        item,
        created_from: times.created_from,
        created_to: times.created_to,
        as_of: as_of.map(|as_of| as_of.at),
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                levels::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok((read, as_of))
}

/// With `as_of`: a movement that was not recorded then does not exist.
pub(crate) async fn get_movement(
    app: &App,
    (call, want): (&Call, ReadWant),
    id: MovementId,
    as_of: Option<Timestamp>,
) -> Result<Movement, OpError<Never>> {
    let as_of = app.db.as_of(call, as_of).await?;
    let what = format!("movement {id}");
    let spec = ReadSpec {
        operation: "get_movement",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            movements::get(session, &regions, &id).await
        })
        .await?;
    read.value
        .filter(|movement| as_of.is_none_or(|as_of| movement.recorded_at <= as_of.at))
        .ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_movements(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    (wanted, (kind, reference), times): (
        StockWanted,
        (Option<MovementKind>, Option<String>),
        Times,
    ),
    page: PageRequest,
) -> Result<(Read<Vec<Movement>>, Option<AsOf>), OpError<Never>> {
    let as_of = app.db.as_of(call, times.as_of).await?;
    let location = wanted.location.clone();
    let (offices, item) = resolve(app, (call, principal), wanted).await?;
    let over = ReadOver::new("list_movements", want, page.snapshot, offices);
    let until = as_of.map(|as_of| as_of.at);
    let filter = MovementFilter {
        location,
        item,
        kind,
        reference,
        created_from: times.created_from,
        created_to: [times.created_to, until].into_iter().flatten().min(),
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                movements::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok((read, as_of))
}
