//! `/v1/writes`: what became of a write.

use std::str::FromStr;

use axum::extract::State;
use kernel::{
    Call, Common, IdempotencyKey, OfficeCode, RegionTag, Scope, Timestamp, write::KeyError,
};
use platform_db::{Receipt, Void};
use platform_http::{AnyToken, ApiError, Caller, Found, JsonRequest, Params, Problem, Segment};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

use super::bodies;
use crate::{
    App,
    views::{KeyEffects, ReceiptStatus, ReceiptView, Verification, VerificationSummary},
};

/// COMMIT is sent at most 10 s after a request and resolved within 5 s more; after 20 s there is nothing to come.
const SETTLED_AFTER: Duration = Duration::from_secs(20);

/// A key in a path: those of writes without a key of their own too.
#[derive(Debug)]
pub(super) struct WriteKey(IdempotencyKey);

impl FromStr for WriteKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        IdempotencyKey::from_receipt(text).map(Self)
    }
}

/// Where the write was made.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReceiptQuery {
    /// The office written to, `g` for what belongs to none; without it every region is asked.
    #[param(example = "ber")]
    office: Option<String>,
    /// When the last attempt was made, from the `receipt` of an answer with an unknown outcome.
    #[param(value_type = Option<String>, format = DateTime)]
    attempt_at: Option<Timestamp>,
}

/// Shows what became of a write of the caller's own.
#[utoipa::path(get, path = "/v1/writes/{key}", operation_id = "get_write", tag = "writes",
    params(("key" = String, Path, description = "Idempotency key of the write.", example = "order-2026-0001"),
        ReceiptQuery),
    responses((status = 200, description = "The receipt.", body = ReceiptView)),
    security(("bearer" = [])))]
pub(super) async fn get_write(
    State(app): State<App>,
    caller: AnyToken,
    Segment(WriteKey(key)): Segment<WriteKey>,
    Params(query): Params<ReceiptQuery>,
) -> Result<Found<ReceiptView>, ApiError> {
    let kept = kept(&app, &caller.call, query.office.as_deref()).await?;
    let receipt = find(&app, &caller, &key, &kept.regions).await?;
    let now = app.db.clock().now();
    let settled = query
        .attempt_at
        .is_some_and(|at| at.plus(SETTLED_AFTER) <= now);
    Ok(Found::plain(
        match receipt.filter(|receipt| may_see(&caller, receipt)) {
            Some(receipt) => view(receipt),
            None => unknown(&key, settled),
        },
    ))
}

/// Where the write was made.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct VoidQuery {
    /// The office written to, `g` for what belongs to none; without it the key is made void in every region.
    #[param(example = "ber")]
    office: Option<String>,
    /// As in the receipt's link; changes nothing here.
    #[param(value_type = Option<String>, format = DateTime)]
    #[expect(
        dead_code,
        reason = "allowed, so that a receipt's link can be extended by /void"
    )]
    attempt_at: Option<Timestamp>,
}

/// Makes certain at once: either the write was done, and this is its receipt, or it never will be.
#[utoipa::path(post, path = "/v1/writes/{key}/void", operation_id = "void_write", tag = "writes",
    extensions(("x-keyless" = json!(true))),
    params(("key" = String, Path, description = "Idempotency key of the write.", example = "order-2026-0001"),
        VoidQuery),
    responses((status = 200, description = "The receipt: `void` or `committed`.", body = ReceiptView)),
    security(("bearer" = [])))]
pub(super) async fn void_write(
    State(app): State<App>,
    caller: AnyToken,
    Segment(WriteKey(key)): Segment<WriteKey>,
    Params(query): Params<VoidQuery>,
    request: JsonRequest,
) -> Result<Found<ReceiptView>, ApiError> {
    bodies::nothing(request.body()).map_err(Common::Invalid)?;
    let Kept { regions, office } = kept(&app, &caller.call, query.office.as_deref()).await?;
    if let Some(office) = office
        .as_ref()
        .filter(|o| !caller.principal.offices.allow(o))
    {
        return Err(Common::OfficeForbidden {
            office: office.clone(),
        }
        .into());
    }
    // A write that landed is looked for first, so that its key is not made void where it was not used.
    let mut receipt = find(&app, &caller, &key, &regions).await?;
    request.attempt(&key, office.as_ref());
    for home in &regions {
        if receipt.as_ref().is_some_and(is_committed) {
            break;
        }
        let void = Void {
            call: &caller.call,
            principal: &caller.principal,
            key: &key,
            office: office.as_ref(),
            home,
            // A void key needs no right to be seen by its owner.
            scope: Scope::OfficesRead,
        };
        receipt = Some(app.db.void(void).await?);
    }
    Ok(Found::plain(
        match receipt.filter(|receipt| may_see(&caller, receipt)) {
            Some(receipt) => view(receipt),
            None => unknown(&key, false),
        },
    ))
}

/// Counts, for each key that the caller holds to be acknowledged, how often its write was done.
#[utoipa::path(post, path = "/v1/writes/verify", operation_id = "verify_writes", tag = "writes",
    extensions(("x-keyless" = json!(true))),
    request_body = bodies::VerifyBody,
    responses((status = 200, description = "Effects per key, and their sums.", body = Verification)),
    security(("bearer" = [])))]
pub(super) async fn verify_writes(
    State(app): State<App>,
    caller: AnyToken,
    request: JsonRequest,
) -> Result<Found<Verification>, ApiError> {
    let keys = bodies::verify_writes(request.body()).map_err(Common::Invalid)?;
    let effects = app
        .db
        .verify(&caller.call, &caller.principal, &keys)
        .await?;
    let count = |test: fn(u64) -> bool| effects.iter().filter(|n| test(**n)).count() as u64;
    let summary = VerificationSummary {
        acknowledged: keys.len() as u64,
        lost: count(|effects| effects == 0),
        doubled: count(|effects| effects > 1),
    };
    let keys = keys.iter().zip(effects).map(|(key, effects)| KeyEffects {
        key: key.to_string(),
        effects,
    });
    Ok(Found::plain(Verification {
        keys: keys.collect(),
        summary,
    }))
}

/// Where the key row of a write can be.
struct Kept {
    regions: Vec<RegionTag>,
    office: Option<OfficeCode>,
}

/// Writes of an office are kept in its home. The primary region keeps those that belong to none, also when they name an
/// office (hard case 11): a location of an office is one.
async fn kept(app: &App, call: &Call, office: Option<&str>) -> Result<Kept, ApiError> {
    let primary = app.db.primary().clone();
    let Some(text) = office else {
        return Ok(Kept {
            regions: app.db.regions().to_vec(),
            office: None,
        });
    };
    if text == RegionTag::global().as_str() {
        return Ok(Kept {
            regions: vec![primary],
            office: None,
        });
    }
    let refuse = |code, detail: String| Problem::invalid_parameter("office", code, detail);
    let office: OfficeCode = text
        .parse()
        .map_err(|error: kernel::code::CodeError| refuse("format", error.to_string()))?;
    let Some(home) = app.directory.home(call, &office).await? else {
        return Err(refuse("office_unknown", format!("{office} is not an office")).into());
    };
    let mut regions = vec![primary, home];
    regions.dedup();
    Ok(Kept {
        regions,
        office: Some(office),
    })
}

/// The receipt, a committed one first.
async fn find(
    app: &App,
    caller: &Caller,
    key: &IdempotencyKey,
    regions: &[RegionTag],
) -> Result<Option<Receipt>, ApiError> {
    let receipt = app
        .db
        .receipt(&caller.call, &caller.principal, key, regions)
        .await?;
    Ok(receipt)
}

fn is_committed(receipt: &Receipt) -> bool {
    receipt.status == platform_db::ReceiptStatus::Committed
}

/// A receipt asks for the rights of its write: without them it looks like one that is not there.
fn may_see(caller: &Caller, receipt: &Receipt) -> bool {
    let scope = !is_committed(receipt) || caller.principal.has(receipt.scope);
    let office = receipt
        .office
        .as_ref()
        .is_none_or(|office| caller.principal.offices.allow(office));
    scope && office
}

fn view(receipt: Receipt) -> ReceiptView {
    let (status, committed_at) = match receipt.status {
        platform_db::ReceiptStatus::Committed => {
            (ReceiptStatus::Committed, Some(receipt.committed_at))
        }
        platform_db::ReceiptStatus::Void => (ReceiptStatus::Void, None),
    };
    ReceiptView {
        key: receipt.key.to_string(),
        status,
        settled: true,
        effect_ids: receipt.effect_ids,
        committed_at,
        region: Some(receipt.served_in),
        request_id: Some(receipt.request_id),
    }
}

fn unknown(key: &IdempotencyKey, settled: bool) -> ReceiptView {
    ReceiptView {
        key: key.to_string(),
        status: ReceiptStatus::Unknown,
        settled,
        effect_ids: Vec::new(),
        committed_at: None,
        region: None,
        request_id: None,
    }
}
