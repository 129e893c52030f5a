//! Who has an item, and how far that is.

use kernel::{OfficeCode, Quantity, RegionTag, id::OrderLineId};
use platform_http::LocatedBy;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ops::find_availability::{Available, Shortage};

/// The offices that have enough of an item, nearest first, and how the place was found that they are near to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Availability)]
pub(crate) struct AvailabilityView {
    pub(crate) data: Vec<AvailableView>,
    pub(crate) located_by: LocatedBy,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
}

/// An office that has enough of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AvailableAtOffice)]
pub(crate) struct AvailableView {
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    #[schema(example = "Berlin")]
    name: String,
    /// On hand and not reserved, at all locations of the office together.
    #[schema(value_type = i64, minimum = 1, example = 40)]
    available: Quantity,
    /// Great-circle distance in whole kilometres.
    #[schema(example = 524)]
    distance_km: u32,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    region: RegionTag,
}

impl From<Available> for AvailableView {
    fn from(has: Available) -> Self {
        Self {
            office: has.office,
            name: has.name,
            available: has.available,
            distance_km: has.distance_km,
            region: has.region,
        }
    }
}

/// A line that cannot be had, among the facts of `insufficient_stock`.
#[derive(Debug, Serialize)]
pub(crate) struct ShortageView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a OrderLineId>,
    sku: &'a str,
    wanted: Quantity,
    available: Quantity,
    nearest: Option<NearestView<'a>>,
}

#[derive(Debug, Serialize)]
struct NearestView<'a> {
    office: &'a OfficeCode,
    distance_km: u32,
    available: Quantity,
}

impl<'a> From<&'a Shortage> for ShortageView<'a> {
    fn from(line: &'a Shortage) -> Self {
        Self {
            line: line.line.as_ref(),
            sku: &line.sku,
            wanted: line.wanted,
            available: line.available,
            nearest: line.nearest.as_ref().map(|nearest| NearestView {
                office: &nearest.office,
                distance_km: nearest.distance_km,
                available: nearest.available,
            }),
        }
    }
}
