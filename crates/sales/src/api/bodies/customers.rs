//! Bodies of customers.

use kernel::{
    Invalid, OfficeCode,
    text::{NAME_MAX, REFERENCE_MAX},
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use super::SERVER_SET;
use crate::{domain::customer::CustomerPatch, ops::create_customer::CreateCustomer};

/// A new customer.
#[derive(Debug, ToSchema)]
#[schema(as = NewCustomer, example = json!({"office": "ber", "name": "Kim Example", "email": "kim@example.com",
    "phone": "+49 30 1234567", "tax_id": "DE123456789"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_customer` below reads"
)]
pub(in crate::api) struct CustomerBody {
    office: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Unique among the office's customers, in whatever case it is written.
    #[schema(min_length = 3, max_length = 254)]
    email: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    phone: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    tax_id: Option<String>,
}

pub(in crate::api) fn create_customer(body: &Value) -> Result<CreateCustomer, Invalid> {
    let mut fields = Fields::of(body);
    let office = fields.parse::<OfficeCode>("office");
    let name = fields.text("name", NAME_MAX);
    let email = fields.opt_parse("email");
    let phone = fields.opt_text("phone", REFERENCE_MAX);
    let tax_id = fields.opt_text("tax_id", REFERENCE_MAX);
    fields.read_only(&["status"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(CreateCustomer {
            office: office?,
            name: name?,
            email,
            phone,
            tax_id,
        })
    })
}

/// Changes of a customer (JSON merge patch, RFC 7396): what is absent stays, null clears.
#[derive(Debug, ToSchema)]
#[schema(as = CustomerPatch, example = json!({"name": "Kim Sample", "phone": null}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `update_customer` below reads"
)]
pub(in crate::api) struct CustomerPatchBody {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Null clears it.
    #[schema(min_length = 3, max_length = 254)]
    email: Option<String>,
    /// Null clears it.
    #[schema(min_length = 1, max_length = 128)]
    phone: Option<String>,
    /// Null clears it.
    #[schema(min_length = 1, max_length = 128)]
    tax_id: Option<String>,
}

pub(in crate::api) fn update_customer(body: &Value) -> Result<CustomerPatch, Invalid> {
    let mut fields = Fields::of(body);
    let patch = CustomerPatch {
        name: fields.change_text("name", NAME_MAX),
        email: fields.patch_parse("email"),
        phone: fields.patch_text("phone", REFERENCE_MAX),
        tax_id: fields.patch_text("tax_id", REFERENCE_MAX),
    };
    fields.immutable(&["office"]);
    fields.read_only(&["status"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| Some(patch))
}
