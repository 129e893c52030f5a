//! Exports without a database: what a client sees when all goes well, and when it does not.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{extract::State, response::Response};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use kernel::{Position, SystemError, Timestamp};
use platform_http::{
    Can, Export, ExportFormat, ExportRequest, ExportRow, ExportSink, ExportStopped, Params,
    csv::Table, permission::WarehouseRead,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;
use utoipa::IntoParams;

use crate::harness::{App, PATIENCE, Server, World, raw, read_to_end, request, until};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// How it is written.
    #[param(inline)]
    format: Option<ExportFormat>,
    /// How many rows; without it, no end.
    rows: Option<u64>,
    /// What happens behind them.
    then: Option<String>,
}

/// Exports numbers.
#[utoipa::path(get, path = "/v1/numbers", operation_id = "export_numbers", params(Query),
    responses((status = 200, content((String = "application/x-ndjson"), (String = "text/csv")))))]
pub(crate) async fn export_numbers(
    State(app): State<App>,
    _: Can<WarehouseRead>,
    Params(query): Params<Query>,
    request: ExportRequest,
) -> Response {
    let format = query.format.unwrap_or(ExportFormat::Ndjson);
    let over = Over(app);
    request.answer(format, Numbers { over, query })
}

struct Numbers {
    over: Over,
    query: Query,
}

#[derive(Serialize)]
struct Row {
    id: u64,
    text: &'static str,
}

impl ExportRow for Row {
    fn write_rows(&self, table: &mut Table) {
        let id = i64::try_from(self.id).unwrap();
        table.row(&[id.into(), self.text.into()]);
    }

    fn position(&self) -> Position {
        Position {
            created_at: Timestamp::from_millis(0),
            id: self.id.to_string(),
        }
    }
}

/// Notes that the export is over, however it ended, also where its reader left before it began.
struct Over(App);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::SeqCst);
    }
}

impl Export for Numbers {
    async fn send(self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        let app = &self.over.0;
        sink.columns(&["id", "text"]).await?;
        for id in 0..self.query.rows.unwrap_or(u64::MAX) {
            let text = "=ä🦀";
            sink.row(Some("numbers"), None, &Row { id, text }).await?;
        }
        app.waiting.fetch_add(1, Ordering::SeqCst);
        match self.query.then.as_deref() {
            Some("fail") => Err(SystemError::Unavailable { source: None }.into()),
            Some("panic") => panic!("in the middle"),
            Some("gate") => {
                app.gate.acquire().await.unwrap().forget();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn over(world: &World) -> u64 {
    world.app.done.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_whole_export_has_every_row_and_every_header() {
    let world = World::new();
    let answer = world.get("/v1/numbers?rows=30000").await;
    assert_eq!(answer.status, 200);
    answer.has_contract_headers();
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(answer.text.lines().count(), 30_000);
    let last = answer.text.lines().last().unwrap();
    assert_eq!(last, r#"{"resource":"numbers","id":29999,"text":"=ä🦀"}"#);
    let table = world.get("/v1/numbers?rows=2&format=csv").await;
    assert_eq!(
        table.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(table.text, "id,text\r\n0,'=ä🦀\r\n1,'=ä🦀\r\n");
    assert_eq!(world.get("/v1/numbers?rows=0").await.text, "");
    let empty = world.get("/v1/numbers?rows=0&format=csv").await;
    assert_eq!(empty.text, "id,text\r\n");
    let bad = world.get("/v1/numbers?format=xml").await;
    assert_eq!(bad.problem(), (400, "invalid_parameter".into()));
}

#[tokio::test]
async fn what_goes_wrong_behind_the_first_byte_is_the_last_line_or_a_broken_transfer() {
    let world = World::new();
    for (then, code, status) in [
        ("fail", "region_unavailable", 503),
        ("panic", "internal", 500),
    ] {
        let answer = world.get(&format!("/v1/numbers?rows=2&then={then}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text.lines().count(), 3);
        let last: Value = serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["code"], &last["status"]),
            (&json!(code), &json!(status))
        );
        assert!(last["retryable"].is_boolean(), "{last}");
        assert_eq!(last.get("id"), None);
        let path = format!("/v1/numbers?rows=2&format=csv&then={then}");
        let table = request("GET", &path, &[], "");
        let table = world.service.router().oneshot(table).await.unwrap();
        assert!(table.into_body().collect().await.is_err(), "{then}");
    }
    // On the wire: no last chunk.
    let server = Server::start(|_| {}).await;
    let path = "/v1/numbers?rows=2&format=csv&then=fail";
    let mut stream = server.connect().await;
    stream
        .write_all(raw("GET", path, "", "").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("transfer-encoding: chunked"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    let sent = raw("GET", "/v1/numbers?rows=2", "", "");
    let whole = server.talk(sent.as_bytes()).await;
    assert!(whole.ends_with("0\r\n\r\n"), "{whole}");
}

#[tokio::test]
async fn an_export_ends_with_its_reader() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    let sent = raw("GET", "/v1/numbers", "", "");
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 100_000]).await.unwrap();
    assert_eq!(over(&server.world), 0);
    drop(stream);
    until("the export is over", || over(&server.world) == 1).await;
    // Also where it waits for something else than its reader.
    let mut stream = server.connect().await;
    let sent = raw("GET", "/v1/numbers?rows=1&then=gate", "", "");
    stream.write_all(sent.as_bytes()).await.unwrap();
    until("it waits", || {
        server.world.app.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(stream);
    until("the export is over", || over(&server.world) == 2).await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_given_up() {
    let world = World::with(|setup| {
        setup.config.limits.import_pause = Duration::from_millis(1);
    });
    let asked = request("GET", "/v1/numbers", &[], "");
    let response = world.service.router().oneshot(asked).await.unwrap();
    until("the export is over", || over(&world) == 1).await;
    // What it reads at last shows that it is not whole.
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_export_has_its_time() {
    let world = World::with(|setup| {
        setup.config.limits.export_time = Duration::from_millis(50);
    });
    let answer = world.get("/v1/numbers").await;
    let last: Value = serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
    assert_eq!(last["code"], "deadline_exceeded");
    assert_eq!(over(&world), 1);
}

#[tokio::test]
async fn so_many_exports_at_once_and_no_more() {
    let world = World::with(|setup| setup.config.limits.exports = 1);
    let asked = request("GET", "/v1/numbers", &[], "");
    let first = world.service.router().oneshot(asked).await.unwrap();
    let second = world.get("/v1/numbers?rows=1").await;
    assert_eq!(second.problem(), (503, "overloaded".into()));
    assert_eq!(second.header("retry-after"), "1");
    drop(first);
    until("the export is over", || over(&world) == 1).await;
    // Its place is free as soon as its task has ended.
    let deadline = std::time::Instant::now() + PATIENCE;
    while world.get("/v1/numbers?rows=1").await.status != 200 {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn draining_gives_an_export_time_to_end_and_no_more() {
    let mut draining = None;
    let server = Server::start(|setup| {
        draining = Some(setup.config.draining.clone());
        setup.config.limits.deadline = Duration::from_millis(300);
    })
    .await;
    let world = &server.world;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        let sent = raw("GET", "/v1/numbers?rows=1&then=gate", "", "");
        stream.write_all(sent.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    until("both wait", || {
        world.app.waiting.load(Ordering::SeqCst) == 2
    })
    .await;
    draining.unwrap().cancel();
    // One may end, the other is ended.
    world.app.gate.add_permits(1);
    let mut ends = Vec::new();
    for mut stream in streams {
        let answer = read_to_end(&mut stream).await;
        assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
        ends.push(answer.contains("\"code\":\"draining\""));
    }
    ends.sort_unstable();
    assert_eq!(ends, [false, true]);
    tokio::time::timeout(PATIENCE, server.running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn rows_are_made_as_fast_as_they_are_read() {
    let world = World::new();
    let asked = request("GET", "/v1/numbers?rows=200000", &[], "");
    let response = world.service.router().oneshot(asked).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    let mut read = 0;
    while let Some(piece) = body.next().await {
        read += piece.unwrap().len();
        if read < 1 << 20 {
            // A few pieces of 64 KiB wait, the rest is not made yet.
            assert_eq!(world.app.waiting.load(Ordering::SeqCst), 0);
        }
    }
    assert_eq!(over(&world), 1);
}
