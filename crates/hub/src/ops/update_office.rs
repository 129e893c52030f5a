//! Changes an office's members.

use kernel::{Common, Intent, Invalid, LocationCode, OfficeCode, OpError, Reply};
use platform_db::{
    Db, Refusal, TxError, Txn,
    offices::{self, Office, OfficeHome, OfficeStatus},
};

use super::{emit_office, index_office};
use crate::views::{OfficeView, json};

/// What a change does to an office's members; `None` leaves a member as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfficePatch {
    pub(crate) name: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    pub(crate) default_location: Option<LocationCode>,
    pub(crate) default_tax_rate_bp: Option<i64>,
    pub(crate) status: Option<OfficeStatus>,
}

impl OfficePatch {
    fn apply(self, office: &mut Office) {
        fn set<T>(member: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *member = value;
            }
        }
        set(&mut office.name, self.name);
        set(&mut office.city, self.city);
        set(&mut office.time_zone, self.time_zone);
        set(&mut office.latitude, self.latitude);
        set(&mut office.longitude, self.longitude);
        set(&mut office.default_location, self.default_location);
        set(&mut office.default_tax_rate_bp, self.default_tax_rate_bp);
        set(&mut office.status, self.status);
    }
}

/// Why an office stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateOfficeError {
    /// It cannot be closed: there is stock in it.
    #[error("the office has stock")]
    NotEmpty,
    /// It cannot be closed: orders are not done.
    #[error("the office has open orders")]
    OpenOrders,
}

impl Refusal for UpdateOfficeError {}

pub(crate) async fn update_office(
    db: &Db,
    mut intent: Intent,
    code: OfficeCode,
    patch: Result<OfficePatch, Invalid>,
) -> Result<Reply, OpError<UpdateOfficeError>> {
    intent.hot.push(format!("office {code}"));
    db.write(intent, async move |txn| {
        let patch = patch.clone()?;
        let Some(office) = offices::lock(txn, &code).await? else {
            return Err(Common::NotFound {
                what: format!("office {code}"),
            }
            .into());
        };
        if !txn.intent().principal.offices.allow(&code) {
            return Err(Common::OfficeForbidden {
                office: code.clone(),
            }
            .into());
        }
        txn.belongs_to(&code);
        txn.observe(office.updated_at);
        txn.intent().require_version(office.version)?;
        if let Some(location) = &patch.default_location {
            require_own_location(txn, &code, location).await?;
        }
        let mut changed = office.clone();
        patch.apply(&mut changed);
        if (office.status, changed.status) == (OfficeStatus::Active, OfficeStatus::Closed) {
            require_empty(txn, &office).await?;
        }
        if changed != office {
            changed.version += 1;
            changed.updated_at = txn.now();
            offices::update(txn, &changed).await?;
            emit_office(txn, "office.changed", &changed);
            index_office(txn, &changed);
        }
        let shown = [&office, &changed].map(|office| json(&OfficeView::from(office)));
        let [before, after] = shown;
        txn.audit(Some(before), Some(after));
        Ok::<_, TxError<_>>(OfficeView::reply(200, &changed))
    })
    .await
}

/// Whoever brings stock or takes an order at the same time reads the office in that transaction, so that one of the two is rerun.
async fn require_empty(txn: &Txn<'_>, office: &Office) -> Result<(), TxError<UpdateOfficeError>> {
    let home = OfficeHome {
        region: office.home_region.clone(),
        office: office.code.clone(),
    };
    if warehouse::stock::office_has_stock(txn, &home).await? {
        return Err(TxError::Refused(UpdateOfficeError::NotEmpty));
    }
    if sales::orders::office_has_open_orders(txn, &home).await? {
        return Err(TxError::Refused(UpdateOfficeError::OpenOrders));
    }
    Ok(())
}

async fn require_own_location(
    txn: &Txn<'_>,
    office: &OfficeCode,
    location: &LocationCode,
) -> Result<(), TxError<UpdateOfficeError>> {
    match warehouse::locations::office_of(txn, location).await? {
        Some(owner) if owner == *office => Ok(()),
        Some(_) => Err(Invalid::one(
            "/default_location",
            "location_of_other_office",
            "is a location of another office",
        )
        .into()),
        None => Err(Invalid::one("/default_location", "location_unknown", "does not exist").into()),
    }
}
