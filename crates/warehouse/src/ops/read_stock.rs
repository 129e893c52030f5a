//! Reads of levels and movements.

use kernel::{
    Call, Common, Expand, Inlined, OpError, PageRequest, Principal, ReadWant, Timestamp,
    id::{LevelId, MovementId},
};
use platform_db::{AsOf, Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::{
    filters::{StockWanted, resolve},
    inline::{Inline, Named, read_one, read_page},
};
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

/// Rows, and what they name.
pub(crate) type Page<T> = (Read<Vec<T>>, Option<Inlined>);

/// With `as_of`: a level that was not there then does not exist.
pub(crate) async fn get_level(
    app: &App,
    (call, want): (&Call, ReadWant),
    (id, expand): (LevelId, Expand),
    as_of: Option<Timestamp>,
) -> Result<(SeenLevel, Option<Inlined>, Option<AsOf>), OpError<Never>> {
    let as_of = app.db.as_of(call, as_of).await?;
    let what = format!("level {id}");
    let spec = ReadSpec {
        operation: "get_level",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let (regions, at) = (app.db.regions().to_vec(), as_of.map(|as_of| as_of.at));
    let inline = Inline::new(&app.db, expand.clone(), call.received_at(), at);
    let work = async move |session: &Session| {
        let level = levels::get(session, &regions, &id, at).await?;
        let named = level.iter().map(Named::from).collect();
        Ok((level, inline.read(session, named).await?))
    };
    let (level, inlined) = read_one(&app.db, (call, spec), &expand, work).await?.value;
    let level = level.ok_or(Common::NotFound { what })?;
    Ok((level, inlined, as_of))
}

pub(crate) async fn list_levels(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    (wanted, times): (StockWanted, Times),
    (page, expand): (PageRequest, Expand),
) -> Result<(Page<SeenLevel>, Option<AsOf>), OpError<Never>> {
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
    let now = page.snapshot.unwrap_or(call.received_at());
    let inline = Inline::new(&app.db, expand.clone(), now, filter.as_of);
    let work = async move |session: &Session, offices: &[OfficeHome]| {
        let rows = levels::page(session, offices, &filter, &page).await?;
        let named = rows.iter().map(Named::from).collect();
        Ok((rows, inline.read(session, named).await?))
    };
    let read = read_page(&app.db, (call, over), &expand, work).await?;
    Ok((read, as_of))
}

/// With `as_of`: a movement that was not recorded then does not exist.
pub(crate) async fn get_movement(
    app: &App,
    (call, want): (&Call, ReadWant),
    (id, expand): (MovementId, Expand),
    as_of: Option<Timestamp>,
) -> Result<(Movement, Option<Inlined>), OpError<Never>> {
    let as_of = app.db.as_of(call, as_of).await?;
    let what = format!("movement {id}");
    let spec = ReadSpec {
        operation: "get_movement",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let until = as_of.map(|as_of| as_of.at);
    let inline = Inline::new(&app.db, expand.clone(), call.received_at(), until);
    let work = async move |session: &Session| {
        let movement = movements::get(session, &regions, &id).await?;
        let named = movement.iter().map(Named::from).collect();
        Ok((movement, inline.read(session, named).await?))
    };
    let (movement, inlined) = read_one(&app.db, (call, spec), &expand, work).await?.value;
    let movement = movement
        .filter(|movement| as_of.is_none_or(|as_of| movement.recorded_at <= as_of.at))
        .ok_or(Common::NotFound { what })?;
    Ok((movement, inlined))
}

pub(crate) async fn list_movements(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    (wanted, (kind, reference), times): (
        StockWanted,
        (Option<MovementKind>, Option<String>),
        Times,
    ),
    (page, expand): (PageRequest, Expand),
) -> Result<(Page<Movement>, Option<AsOf>), OpError<Never>> {
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
    let now = page.snapshot.unwrap_or(call.received_at());
    let inline = Inline::new(&app.db, expand.clone(), now, until);
    let work = async move |session: &Session, offices: &[OfficeHome]| {
        let rows = movements::page(session, offices, &filter, &page).await?;
        let named = rows.iter().map(Named::from).collect();
        Ok((rows, inline.read(session, named).await?))
    };
    let read = read_page(&app.db, (call, over), &expand, work).await?;
    Ok((read, as_of))
}
