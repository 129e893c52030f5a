//! Files of rows: what is taken, how rows are answered, and what goes on without its reader.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{body::Body, extract::State, http::Request, response::Response};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use kernel::{Common, OpError, RegionTag, Reply, RowEnd, RowRefusal, RowsEnd, SystemError};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    Lines, RowIds, document_faults, permission::WarehouseWrite,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use crate::harness::{Answer, App, Server, Setup, Taken, World, raw, read_to_end, request, until};

static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("name").required(),
        Column::text("behave").of_line(),
    ],
    prices: false,
    lines: Some(Lines {
        member: "lines",
        by: "reference",
    }),
    ids: RowIds::EachRow,
};

/// Writes many things; each does what its `behave` says.
#[utoipa::path(post, path = "/v1/things/imports", operation_id = "import_things", params(ImportParams),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses((status = 200, content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))))]
pub(crate) async fn import_things(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: ImportRequest,
) -> Result<Response, ApiError> {
    request
        .run(&caller, &FORMAT, move |batch: ImportBatch| {
            let app = app.clone();
            async move { write(app, batch).await }
        })
        .await
}

async fn write(app: App, batch: ImportBatch) -> Result<RowsEnd<Taken>, OpError<Taken>> {
    app.batches.lock().unwrap().push(batch.rows.len());
    assert!(
        batch.call.remaining() > Duration::ZERO,
        "each batch has a time of its own"
    );
    let mut rows = Vec::new();
    for row in &batch.rows {
        let intent = batch.intent(row, "import_things", RegionTag::global(), None);
        assert_eq!(intent.path, "/v1/things/imports");
        let behave = row.body["lines"][0]["behave"].as_str().unwrap_or("");
        match behave {
            "panic" => panic!("in the middle"),
            "gate" => {
                app.waiting.fetch_add(1, Ordering::SeqCst);
                app.gate.acquire().await.unwrap().forget();
            }
            "unknown" => {
                let attempt_at = batch.call.received_at();
                return Err(SystemError::OutcomeUnknown {
                    attempt_at,
                    source: None,
                }
                .into());
            }
            "in_the_way" => return Err(OpError::Refused(Taken)),
            "few" if batch.rows.len() > 3 => return Err(SystemError::Contended.into()),
            "late" => return Err(SystemError::DeadlineExceeded.into()),
            _ => {}
        }
        rows.push(match behave {
            "taken" => RowEnd::Refused(RowRefusal::Own(Taken)),
            "void" => RowEnd::Refused(RowRefusal::Common(Common::KeyVoided)),
            _ => RowEnd::Written(Reply {
                status: 201,
                location: None,
                version: Some(1),
                body: None,
                effect_ids: vec![intent.key.to_string(), "second".into()],
            }),
        });
    }
    let all = rows.iter().all(|row| matches!(row, RowEnd::Written(_)));
    let committed = batch.commits(all);
    if committed {
        app.done
            .fetch_add(batch.rows.len() as u64, Ordering::SeqCst);
    }
    Ok(RowsEnd { rows, committed })
}

fn upload(query: &str, body: &str) -> Request<Body> {
    let headers = [
        ("idempotency-key", "import-1"),
        ("content-type", "text/csv"),
    ];
    request(
        "POST",
        &format!("/v1/things/imports{query}"),
        &headers,
        body,
    )
}

fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Row (or null) and code (or status) of each line.
fn ends(answer: &Answer) -> Vec<(Value, Value)> {
    let end = |line: &Value| {
        let code = Some(&line["code"]).filter(|code| !code.is_null());
        code.unwrap_or(&line["status"]).clone()
    };
    lines(answer)
        .iter()
        .map(|line| (line["row"].clone(), end(line)))
        .collect()
}

fn done(world: &World) -> u64 {
    world.app.done.load(Ordering::SeqCst)
}

#[tokio::test]
async fn rows_of_one_body_have_one_end_and_a_line_each() {
    let world = World::new();
    let file = "reference,name,behave\nA,n,\nA,,\nB,n,taken\nB,,\n,n,void\nx\n,n,\n";
    let answer = world.send(upload("", file)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.has_contract_headers();
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(answer.header("cache-control"), "no-store");
    let lines = lines(&answer);
    assert_eq!(
        lines[0],
        json!({"row": 1, "status": 201, "id": "import-1#1"})
    );
    assert_eq!(lines[1], json!({"row": 2, "status": 201, "id": "second"}));
    let detail = "Another thing has this SKU.";
    assert_eq!(
        lines[2],
        json!({"row": 3, "status": 409, "code": "sku_taken", "detail": detail})
    );
    assert_eq!(lines[3]["row"], 4);
    let codes: Vec<&Value> = lines[4..].iter().map(|line| &line["code"]).collect();
    assert_eq!(
        codes,
        [&json!("key_voided"), &json!("malformed_csv"), &Value::Null]
    );
    assert_eq!(lines[6]["id"], "import-1#7");
}

#[tokio::test]
async fn a_batch_that_does_not_go_as_a_whole_goes_in_parts() {
    let world = World::new();
    let file = format!("name,behave\n{}", "n,few\n".repeat(1010));
    let answer = world.send(upload("", &file)).await;
    let rows = (1..=1010).map(|row| (json!(row), json!(201)));
    assert_eq!(ends(&answer), rows.collect::<Vec<_>>());
    // 500, 250, 125, 62, 31, 15, 7, 3: what goes is kept to.
    let batches = world.app.batches.lock().unwrap().clone();
    assert_eq!(batches[..8], [500, 250, 125, 62, 31, 15, 7, 3]);
    assert!(batches[8..].iter().all(|size| *size <= 3), "{batches:?}");

    let world = World::new();
    let file = "name,behave\na,\nb,in_the_way\nc,\nd,late\ne,\n";
    let answer = world.send(upload("", file)).await;
    let expected = [
        (json!(1), json!(201)),
        (json!(2), json!("sku_taken")),
        (json!(3), json!(201)),
        (Value::Null, json!("deadline_exceeded")),
    ];
    assert_eq!(ends(&answer), expected);
    let last = lines(&answer).pop().unwrap();
    assert_eq!(
        (&last["status"], &last["retryable"]),
        (&json!(504), &json!(true))
    );
}

#[tokio::test]
async fn what_ends_an_import_early_is_its_last_line() {
    for (behave, code, retryable) in [
        ("panic", "internal", true),
        ("unknown", "outcome_unknown", true),
    ] {
        let world = World::new();
        let file = format!("name,behave\n{}n,{behave}\nn,\n", "n,\n".repeat(500));
        let answer = world.send(upload("", &file)).await;
        let lines = lines(&answer);
        assert_eq!(lines.len(), 501, "{behave}");
        assert_eq!(lines[499]["status"], 201);
        assert_eq!(
            (&lines[500]["code"], &lines[500]["retryable"]),
            (&json!(code), &json!(retryable))
        );
        assert_eq!(lines[500]["effect"], "unknown");
        assert!(lines[500].get("row").is_none());
    }
}

#[tokio::test]
async fn all_or_nothing_is_one_batch() {
    let world = World::new();
    let answer = world
        .send(upload("?mode=atomic", "name,behave\na,\nb,taken\nc,\n"))
        .await;
    let failed = || json!("atomic_failed");
    assert_eq!(
        ends(&answer),
        [
            (json!(1), failed()),
            (json!(2), json!("sku_taken")),
            (json!(3), failed())
        ]
    );
    let answer = world
        .send(upload("?mode=atomic", "name,behave\na,\nb\nc,\n"))
        .await;
    assert_eq!(
        ends(&answer),
        [
            (json!(1), failed()),
            (json!(2), json!("malformed_csv")),
            (json!(3), failed())
        ]
    );
    assert_eq!(done(&world), 0);
    let answer = world
        .send(upload("?mode=atomic", "name,behave\na,in_the_way\nb,\n"))
        .await;
    assert_eq!(ends(&answer), [(Value::Null, json!("sku_taken"))]);
    let many = format!("name\n{}", "n\n".repeat(501));
    assert_eq!(
        world.send(upload("?mode=atomic", &many)).await.problem().0,
        413
    );
    let most = format!("name\n{}", "n\n".repeat(500));
    assert_eq!(
        lines(&world.send(upload("?mode=atomic", &most)).await).len(),
        500
    );
    assert_eq!(done(&world), 500);
}

/// The upload may take longer than a request, and so may the work.
#[tokio::test]
async fn hard_case_37_an_import_has_times_of_its_own() {
    let short = |setup: &mut Setup| {
        setup.config.limits.deadline = Duration::from_millis(100);
        setup.config.limits.resolve = Duration::from_millis(1);
    };
    let world = World::with(short);
    let (mut sender, receiver) = tokio::io::duplex(64);
    let pieces = futures_util::stream::unfold(receiver, async |mut receiver| {
        let mut bytes = vec![0; 64];
        let length = receiver.read(&mut bytes).await.ok()?;
        bytes.truncate(length);
        (length > 0).then_some((Ok::<_, std::io::Error>(bytes), receiver))
    });
    let body = Body::from_stream(pieces.fuse());
    let sending = async {
        sender.write_all(b"name,behave\n").await.unwrap();
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        for _ in 0..200 {
            pause.tick().await;
            sender.write_all(b"n,\n").await.unwrap();
        }
        drop(sender);
    };
    let (mut parts, _) = upload("", "").into_parts();
    parts
        .headers
        .insert("content-type", "text/csv".parse().unwrap());
    let answering = async { world.send(Request::from_parts(parts, body)).await };
    let ((), answer) = tokio::join!(sending, answering);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((lines(&answer).len(), done(&world)), (200, 200));
}

#[tokio::test]
async fn hard_case_37_a_broken_upload_writes_nothing_at_all() {
    let server =
        Server::start(|setup| setup.config.limits.import_pause = Duration::from_millis(50)).await;
    let headers = "Idempotency-Key: import-1\r\nContent-Type: text/csv\r\n";
    let whole = raw(
        "POST",
        "/v1/things/imports",
        headers,
        "name,behave\na,\nLAMP-7,100\n",
    );
    // The connection stays open, and nothing more comes.
    let mut stream = server.connect().await;
    stream
        .write_all(&whole.as_bytes()[..whole.len() - 3])
        .await
        .unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("\"malformed_csv\""),
        "{answer}"
    );
    assert!(answer.contains("\"effect\":\"none\""), "{answer}");
    // The client goes away.
    let mut stream = server.connect().await;
    stream
        .write_all(&whole.as_bytes()[..whole.len() - 3])
        .await
        .unwrap();
    drop(stream);
    // Neither wrote anything, and the next one does.
    let answer = server.talk(whole.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"row\":2"),
        "{answer}"
    );
    assert_eq!(server.world.app.batches.lock().unwrap().clone(), [2]);
}

#[tokio::test]
async fn hard_case_37_the_work_goes_on_when_the_client_hangs_up() {
    let server = Server::start(|_| {}).await;
    let headers = "Idempotency-Key: import-1\r\nContent-Type: text/csv\r\n";
    let file = format!("name,behave\nn,gate\n{}", "n,\n".repeat(1200));
    let mut stream = server.connect().await;
    stream
        .write_all(raw("POST", "/v1/things/imports", headers, &file).as_bytes())
        .await
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    until("the import began", || {
        server.world.app.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(stream);
    server.world.app.gate.add_permits(1);
    until("every row is written", || done(&server.world) == 1201).await;
}

#[tokio::test]
async fn draining_waits_for_a_batch_and_ends_the_import_behind_it() {
    let mut draining = None;
    let server = Server::start(|setup| draining = Some(setup.config.draining.clone())).await;
    let headers = "Idempotency-Key: import-1\r\nContent-Type: text/csv\r\n";
    let file = format!("name,behave\nn,gate\n{}", "n,\n".repeat(1200));
    let mut stream = server.connect().await;
    stream
        .write_all(raw("POST", "/v1/things/imports", headers, &file).as_bytes())
        .await
        .unwrap();
    until("the import began", || {
        server.world.app.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    draining.unwrap().cancel();
    server.world.app.gate.add_permits(1);
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.contains("\"row\":500,") && !answer.contains("\"row\":501,"),
        "{answer}"
    );
    assert!(answer.contains("\"code\":\"draining\""), "{answer}");
    assert_eq!(done(&server.world), 500);
    server.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn so_many_imports_at_once_and_no_more() {
    let world = World::with(|setup| setup.config.limits.imports = 1);
    let first = world
        .service
        .router()
        .oneshot(upload("", "name,behave\nn,gate\n"))
        .await
        .unwrap();
    until("it began", || world.app.waiting.load(Ordering::SeqCst) == 1).await;
    let second = world.send(upload("", "name\nn\n")).await;
    assert_eq!(second.problem(), (503, "overloaded".into()));
    world.app.gate.add_permits(1);
    first.into_body().collect().await.unwrap();
    let third = async || world.send(upload("", "name\nn\n")).await.status;
    let mut status = third().await;
    for _ in 0..1000 {
        if status == 200 {
            break;
        }
        tokio::task::yield_now().await;
        status = third().await;
    }
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_document_says_what_an_import_takes() {
    let document = World::new().service.openapi();
    assert_eq!(document_faults(&document), [""; 0]);
    let operation = &document["paths"]["/v1/things/imports"]["post"];
    let text = operation["parameters"].to_string();
    for part in ["IdempotencyKey", "DryRun", "\"mode\"", "per_row"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Prefer"), "{text}");
    let statuses = operation["responses"].as_object().unwrap();
    assert!(!statuses.contains_key("204") && !statuses.contains_key("409"));
    assert!(
        statuses["413"]["description"]
            .as_str()
            .unwrap()
            .contains("50 MiB")
    );
    assert!(
        statuses["200"]["headers"]
            .get("Idempotent-Replayed")
            .is_none()
    );
    assert!(operation.get("x-import").is_none());
    for (accept, status) in [("application/x-ndjson", 200), ("text/html", 406)] {
        let mut request = upload("", "name\nn\n");
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        assert_eq!(World::new().send(request).await.status, status);
    }
}
