//! The merged OpenAPI document.

use serde_json::Value;

use crate::{Company, systems};

#[tokio::test(flavor = "multi_thread")]
async fn the_merged_document_has_no_faults_and_every_system() {
    let company = Company::new().await;
    let document = platform_http::document(systems(&company.db.db(), &company.topology));
    assert_eq!(
        platform_http::document_faults(&document),
        Vec::<String>::new()
    );
    assert_eq!(document["openapi"], "3.1.0");
    let operations: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    for expected in [
        "create_journal_entry",
        "close_period",
        "get_account_statement",
        "create_item",
        "set_item_price",
        "create_location",
        "create_office",
        "nearest_offices",
        "list_regions",
        "get_status",
        "get_write",
        "void_write",
        "get_trial_balance",
        "get_stock_valuation",
        "check_integrity",
        "get_sold_items",
        "get_sales_by_office_day",
        "get_receivables",
        "get_office_overview",
        "get_order_timeline",
        "verify_writes",
        "list_events",
        "list_audit",
    ] {
        assert!(
            operations.contains(&expected),
            "{expected} is not among {operations:?}"
        );
    }
    let key_of = |path: &str| -> Vec<&Value> {
        let parameters = document["paths"][path]["post"]["parameters"].as_array();
        parameters
            .into_iter()
            .flatten()
            .filter(|p| p["$ref"] == "#/components/parameters/IdempotencyKey")
            .collect()
    };
    assert!(
        key_of("/v1/writes/verify").is_empty(),
        "verify needs no key"
    );
    assert_eq!(
        key_of("/v1/warehouse/items").len(),
        1,
        "a POST that writes needs one"
    );
}
