//! Customers.

use kernel::{OfficeCode, RegionTag, Reply, Timestamp, id::CustomerId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{json, json_text};
use crate::domain::customer::{Customer, CustomerStatus, Email};

/// Who buys of an office.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Customer)]
pub struct CustomerView {
    #[schema(value_type = String, example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) id: CustomerId,
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    pub(crate) home_region: RegionTag,
    #[schema(example = "Kim Example")]
    pub(crate) name: String,
    #[schema(example = "kim@example.com")]
    pub(crate) email: Option<String>,
    #[schema(example = "+49 30 1234567")]
    pub(crate) phone: Option<String>,
    #[schema(example = "DE123456789")]
    pub(crate) tax_id: Option<String>,
    /// `anonymised`: nothing is known of the person any more.
    #[schema(value_type = CustomerStatusName)]
    pub(crate) status: CustomerStatus,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    pub(crate) version: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// Members that tell of a person.
const PERSONAL: [&str; 4] = ["name", "email", "phone", "tax_id"];

impl From<&Customer> for CustomerView {
    fn from(customer: &Customer) -> Self {
        Self {
            id: customer.id.clone(),
            office: customer.office.clone(),
            home_region: customer.id.region().clone(),
            name: customer.name.clone(),
            email: customer
                .email
                .as_ref()
                .map(|email| Email::as_str(email).to_owned()),
            phone: customer.phone.clone(),
            tax_id: customer.tax_id.clone(),
            status: customer.status,
            version: customer.version,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

impl CustomerView {
    /// The answer that shows the customer after a write.
    pub(crate) fn reply(&self, status: u16) -> Reply {
        let path = format!("/v1/sales/customers/{}", self.id);
        Reply {
            status,
            location: (status == 201).then_some(path),
            version: Some(self.version),
            body: Some(self.text()),
            effect_ids: vec![self.id.to_string()],
        }
    }

    /// The body of an answer.
    pub(crate) fn text(&self) -> String {
        json_text(self)
    }

    /// For audit rows: what is known of the person is told from what is not, and nothing else.
    pub(crate) fn masked(&self) -> Value {
        let mut value = json(self);
        for member in PERSONAL {
            if let Some(known) = value.get_mut(member).filter(|member| !member.is_null()) {
                *known = "***".into();
            }
        }
        value
    }

    /// For events, which are sent far: nothing of the person.
    pub(crate) fn impersonal(&self) -> Value {
        let mut value = json(self);
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| !PERSONAL.contains(&name.as_str()));
        }
        value
    }
}

/// Whether the person is known.
#[derive(Debug, ToSchema)]
#[schema(as = CustomerStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `CustomerStatus` in the OpenAPI document"
)]
pub(crate) enum CustomerStatusName {
    Active,
    Anonymised,
}
