//! Changes a location's members.

use kernel::{Common, Intent, Invalid, LocationCode, OpError, Reply};
use platform_db::{DbError, Never, TxError, offices};

use super::create_location::{emit_location, index_location};
use crate::{
    App,
    domain::location::LocationPatch,
    storage::locations,
    views::{LocationView, json},
};

pub(crate) async fn update_location(
    app: &App,
    mut intent: Intent,
    code: LocationCode,
    patch: Result<LocationPatch, Invalid>,
) -> Result<Reply, OpError<Never>> {
    intent.hot.push(format!("location {code}"));
    app.db
        .write(intent, async move |txn| {
            let patch = patch.clone()?;
            let Some(location) = locations::lock(txn, &code).await? else {
                return Err(Common::NotFound {
                    what: format!("location {code}"),
                }
                .into());
            };
            if !txn.intent().principal.offices.allow(&location.office) {
                return Err(Common::OfficeForbidden {
                    office: location.office,
                }
                .into());
            }
            txn.belongs_to(&location.office);
            txn.observe(location.updated_at);
            txn.intent().require_version(location.version)?;
            let office = offices::get(txn, &location.office)
                .await?
                .ok_or_else(|| DbError::NoRow)?;
            let changed = location.patched(patch, txn.now());
            let before = LocationView::new(&location, office.home_region.clone());
            let view = LocationView::new(&changed, office.home_region);
            if changed.version != location.version {
                locations::update(txn, &changed).await?;
                emit_location(txn, "warehouse.location.changed", &changed, &view);
                index_location(txn, &changed);
            }
            txn.audit(Some(json(&before)), Some(json(&view)));
            Ok::<_, TxError<_>>(view.reply(200))
        })
        .await
}
