//! Every operation: without a token, without the right.

use axum::http::Method;
use kernel::Role;
use serde_json::json;
use testkit::app::{new_key, token};

use crate::{ACCOUNTS, ENTRIES, PERIODS, World};

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_its_right() {
    let world = World::new().await;
    let app = world.app();
    let entry = format!("{ENTRIES}/jrn_eu1_00000000000000000000000000");
    let (get, post) = (Method::GET, Method::POST);
    let operations = [
        (get.clone(), ENTRIES.to_owned()),
        (post.clone(), ENTRIES.to_owned()),
        (post.clone(), format!("{ENTRIES}/imports")),
        (get.clone(), entry.clone()),
        (post.clone(), format!("{entry}/reverse")),
        (get.clone(), ACCOUNTS.to_owned()),
        (post.clone(), ACCOUNTS.to_owned()),
        (get.clone(), format!("{ACCOUNTS}/1000")),
        (get.clone(), format!("{ACCOUNTS}/1000/statement?office=ber")),
        (get.clone(), PERIODS.to_owned()),
        (post.clone(), format!("{PERIODS}/ber/2026-01/close")),
        (post.clone(), format!("{PERIODS}/ber/2026-01/reopen")),
    ];
    for (method, path) in operations {
        let send = async |token: &str| {
            let request = app.request_as(token, method.clone(), &path).key(&new_key());
            request.json(&json!({})).send().await
        };
        let nobody = send("not.a.token").await;
        assert_eq!(
            nobody.problem(),
            (401, "unauthenticated"),
            "{method} {path}"
        );
        if method == Method::POST {
            // A viewer who POSTs `{}` is told of the right, not of the body.
            let viewer = send(&token(Role::Viewer, &["*"])).await;
            assert_eq!(viewer.problem(), (403, "scope_missing"), "{path}");
            let keyless = app
                .request(method.clone(), &path)
                .json(&json!({}))
                .send()
                .await;
            assert_eq!(
                keyless.problem(),
                (400, "idempotency_key_required"),
                "{path}"
            );
        } else {
            let viewer = send(&token(Role::Viewer, &["*"])).await;
            assert!([200, 404].contains(&viewer.status.as_u16()), "{path}");
        }
    }
}
