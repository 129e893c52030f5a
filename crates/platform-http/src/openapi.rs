//! The contract as a document: what systems describe, and what holds for every operation because this crate does it.
//!
//! Handlers describe their own parameters, bodies and refusals. Added here, so that it is said once and is true
//! everywhere: the security scheme, the common request headers, the headers of every answer, the problems that any
//! operation can answer. `x-keyless: true` among an operation's extensions marks a POST that takes no key (it is read
//! with `JsonRequest`); `x-import: true` one that takes a file of rows (`ImportRequest`); `security(())` marks a public
//! operation; `x-expand: {"lines.item": "warehouse:read"}` says which members can be shown as what they name (`Expanding`),
//! and which right that needs: their schemas allow both.

mod expansion;

use std::{collections::HashMap, sync::Arc};

use axum::Router;
use kernel::{
    AmountMinor, CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag, Timestamp,
};
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{InfoBuilder, OpenApiBuilder},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    exchange::Operation,
    expand::{Expandable, PATHS_MAX},
    service::System,
    write::MERGE_PATCH,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const KEYLESS: &str = "x-keyless";
const IMPORT: &str = "x-import";
const EXPAND: &str = "x-expand";
const EXPAND_SCOPES: &str = "x-scopes";
const JSON: &str = "application/json";

const DESCRIPTION: &str = "\
One API over the systems of a company with offices around the world, served alike in every region. \
Every write takes an `Idempotency-Key` and can be repeated in any region without being done twice; every answer says who \
served it, how fresh it is and what it cost. Errors are RFC 9457 problem documents; `/problems/{code}` explains each code.";

/// The routes of all systems, and their document.
pub(crate) fn merge(systems: Vec<System>) -> (Router, Value) {
    let mut routes = Router::new();
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Meridian")
                .version("1")
                .description(Some(DESCRIPTION))
                .build(),
        )
        .build();
    for system in systems {
        let (router, api) = OpenApiRouter::split_for_parts(system.router);
        routes = routes.merge(router);
        document.merge(api);
    }
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    document["openapi"] = "3.1.0".into();
    complete(&mut document);
    (routes, document)
}

/// What the pipeline needs of the document, by route.
pub(crate) fn operations(document: &Value) -> HashMap<String, Vec<Arc<Operation>>> {
    let mut operations = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters
                .filter_map(|parameter| {
                    let dry_run = parameter["$ref"] == "#/components/parameters/DryRun";
                    if dry_run {
                        return Some("dry_run".to_owned());
                    }
                    (parameter["in"] == "query")
                        .then(|| parameter["name"].as_str())?
                        .map(str::to_owned)
                })
                .collect();
            let id = operation["operationId"]
                .as_str()
                .unwrap_or("none")
                .to_owned();
            let operation = Operation {
                id,
                method: method.to_ascii_uppercase(),
                query,
                expand: expandable(&operation["parameters"]),
                produces: produces(&operation["responses"]),
            };
            operations
                .entry(path.clone())
                .or_insert_with(Vec::new)
                .push(Arc::new(operation));
        }
    }
    operations
}

/// What an operation can show in place of an id.
fn expandable(parameters: &Value) -> Vec<Expandable> {
    let parameters = parameters.as_array().into_iter().flatten();
    let scopes = parameters.filter_map(|parameter| parameter[EXPAND_SCOPES].as_object());
    let read = |(path, scope): (&String, &Value)| {
        let (path, scope) = (path.clone(), scope.as_str()?.parse().ok()?);
        Some(Expandable { path, scope })
    };
    scopes.flatten().filter_map(read).collect()
}

/// The parameter of an operation that can show these members as what they name.
fn expand_parameter(scopes: &Value) -> Value {
    let paths: Vec<&String> = scopes.as_object().into_iter().flat_map(Map::keys).collect();
    let description = "Members to show as what they name, in place of its id, as a comma list. Each needs the right that \
        `x-scopes` names. The `ETag` is weak then, and `If-Match` compares the version in it.";
    json!({
        "name": "expand", "in": "query", "required": false, "style": "form", "explode": false,
        "description": description, EXPAND_SCOPES: scopes,
        "schema": {"type": "array", "maxItems": PATHS_MAX, "items": {"type": "string", "enum": paths}},
    })
}

/// The media types of the answers of an operation that went well; JSON where none is described.
fn produces(responses: &Value) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for (status, response) in responses.as_object().into_iter().flatten() {
        if status.starts_with('2') {
            let content = response["content"].as_object().into_iter().flatten();
            types.extend(content.map(|(kind, _)| kind.clone()));
        }
    }
    if types.is_empty() {
        types.push(JSON.to_owned());
    }
    types.sort_unstable();
    types.dedup();
    types
}

/// What is wrong with a document: references that lead nowhere, operations without id or summary, ids given twice.
/// For the tests of whoever puts systems together.
#[must_use]
pub fn document_faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    dangling(document, document, &mut faults);
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            match operation["operationId"].as_str() {
                None => faults.push(format!("{method} {path} has no operation id")),
                Some(id) if ids.contains(&id) => faults.push(format!("{id} is there twice")),
                Some(id) => ids.push(id),
            }
            if operation["summary"].as_str().is_none_or(str::is_empty) {
                faults.push(format!("{method} {path} has no summary"));
            }
        }
    }
    faults
}

fn dangling(value: &Value, document: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                let target = reference
                    .strip_prefix('#')
                    .and_then(|path| document.pointer(path));
                if target.is_none() {
                    faults.push(format!("{reference} leads nowhere"));
                }
            }
            object
                .values()
                .for_each(|value| dangling(value, document, faults));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| dangling(value, document, faults)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for (path, item) in object(&mut document["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete_operation(method, path, operation, &schemas);
            }
        }
    }
    let known = [
        schema::<RegionTag>(),
        schema::<OfficeCode>(),
        schema::<LocationCode>(),
        schema::<CountryCode>(),
        schema::<CurrencyCode>(),
        schema::<AmountMinor>(),
        schema::<Timestamp>(),
    ];
    let components = &mut document["components"];
    // Types that only parameters use are referred to and not collected.
    for (name, schema) in known {
        object(&mut components["schemas"])
            .entry(name)
            .or_insert(schema);
    }
    components["securitySchemes"] = json!({"bearer": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "A token of the company's issuer: EdDSA, ES256 or RS256, `exp` at most an hour ahead.",
    }});
    object(&mut components["schemas"]).insert("Problem".into(), problem_schema());
    object(&mut components["schemas"]).insert("FieldError".into(), field_error_schema());
    components["parameters"] = parameters();
    components["headers"] = headers();
    components["responses"] = responses();
    expansion::describe(document);
}

fn schema<T: ToSchema>() -> (String, Value) {
    (
        T::name().into_owned(),
        serde_json::to_value(T::schema()).unwrap_or_default(),
    )
}

/// `value` as an object, made one if it is not.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    #[expect(clippy::expect_used, reason = "it was made an object above")]
    value.as_object_mut().expect("an object")
}

/// What an operation is, as far as the common parts depend on it.
#[derive(Debug, Clone, Copy)]
struct Shape {
    get: bool,
    post: bool,
    /// PATCH and DELETE need `If-Match`.
    conditional: bool,
    public: bool,
    keyless: bool,
    import: bool,
    in_path: bool,
    paged: bool,
    versioned: bool,
}

fn complete_operation(method: &str, path: &str, operation: &mut Value, schemas: &Value) {
    fix_parameters(path, operation);
    let keyless = object(operation).remove(KEYLESS) == Some(Value::Bool(true));
    let import = object(operation).remove(IMPORT) == Some(Value::Bool(true));
    if let Some(scopes) = object(operation).remove(EXPAND) {
        let parameter = expand_parameter(&scopes);
        let parameters = operation["parameters"].as_array_mut();
        parameters
            .into_iter()
            .for_each(|list| list.push(parameter.clone()));
    }
    let public = operation["security"] == json!([{}]);
    let shape = Shape {
        get: method == "get",
        post: method == "post",
        conditional: matches!(method, "patch" | "delete"),
        public,
        keyless,
        import,
        in_path: path.contains('{'),
        paged: has_parameter(operation, "cursor"),
        versioned: is_versioned(&operation["responses"], schemas),
    };
    if public {
        operation["security"] = json!([]);
    } else if operation.get("security").is_none_or(Value::is_null) {
        operation["security"] = json!([{"bearer": []}]);
    }
    if method == "patch" {
        add_merge_patch(operation);
    }
    add_parameters(operation, shape);
    add_responses(operation, shape);
}

/// A PATCH is a JSON merge patch, which may say so or come as plain JSON.
fn add_merge_patch(operation: &mut Value) {
    let content = &mut operation["requestBody"]["content"];
    let json = content["application/json"].clone();
    if !json.is_null() {
        object(content).insert(MERGE_PATCH.into(), json);
    }
}

fn has_parameter(operation: &Value, name: &str) -> bool {
    let parameters = operation["parameters"].as_array();
    parameters.is_some_and(|parameters| parameters.iter().any(|p| p["name"] == name))
}

/// Parameters whose place was not said are in the path if the path has them, else in the query.
fn fix_parameters(path: &str, operation: &mut Value) {
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or("").to_owned();
        if parameter["in"] == "path" && !path.contains(&format!("{{{name}}}")) {
            parameter["in"] = "query".into();
        }
    }
}

/// Whether the 200 answer shows a resource with a version, and therefore an `ETag`.
fn is_versioned(responses: &Value, schemas: &Value) -> bool {
    let schema = &responses["200"]["content"]["application/json"]["schema"];
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next());
    let schema = name.map_or(schema, |name| &schemas[name]);
    !schema["properties"]["version"].is_null()
}

fn add_parameters(operation: &mut Value, shape: Shape) {
    let mut names = vec!["ReadConsistency", "ConsistencyToken", "Traceparent"];
    if shape.get {
        names.extend(shape.versioned.then_some("IfNoneMatch"));
    } else if shape.post {
        if !shape.keyless {
            names.extend(["IdempotencyKey", "DryRun"]);
            names.extend((!shape.import).then_some("Prefer"));
        }
    } else {
        names.push("OptionalIdempotencyKey");
        names.push("Prefer");
        names.push(if shape.conditional {
            "IfMatch"
        } else {
            "OptionalIfMatch"
        });
    }
    let parameters = &mut operation["parameters"];
    if !parameters.is_array() {
        *parameters = json!([]);
    }
    let refs = names
        .iter()
        .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
    parameters
        .as_array_mut()
        .into_iter()
        .for_each(|list| list.extend(refs.clone()));
}

fn add_responses(operation: &mut Value, shape: Shape) {
    let mut problems = vec!["400", "406", "414", "429", "431", "500", "503"];
    problems.extend(
        (!shape.public)
            .then_some(["401", "403"])
            .into_iter()
            .flatten(),
    );
    problems.extend(shape.in_path.then_some("404"));
    problems.extend(shape.paged.then_some("410"));
    problems.push("504");
    if !shape.get {
        problems.extend(["413", "415"]);
        problems.push("422");
        problems.extend((!shape.keyless).then_some("409"));
    }
    problems.extend((!shape.get && !shape.post).then_some("412"));
    problems.extend(shape.conditional.then_some("428"));
    let responses = object(&mut operation["responses"]);
    for status in problems {
        let common = || json!({"$ref": format!("#/components/responses/Problem{status}")});
        responses.entry(status).or_insert_with(common);
    }
    if shape.get && shape.versioned {
        let description = "The representation that `If-None-Match` names is still the present one.";
        responses
            .entry("304")
            .or_insert_with(|| json!({"description": description}));
    }
    if shape.import {
        responses.remove("409"); // of rows only
        let detail = "The file has more than 50 MiB, or more rows than `mode=atomic` takes.";
        responses.insert("413".into(), json!({"description": detail}));
        let detail = "The file is not CSV or NDJSON in UTF-8.";
        responses.insert("415".into(), json!({"description": detail}));
    }
    if !shape.get && !shape.keyless && !shape.import && responses.contains_key("200") {
        let description = "It is done, and `Prefer: return=minimal` left the body out.";
        responses
            .entry("204")
            .or_insert_with(|| json!({"description": description}));
    }
    for (status, response) in responses.iter_mut() {
        if response.get("$ref").is_none() {
            complete_response(status, response, shape);
        }
    }
}

/// Adds the headers that every answer has, and the schema of a problem that was described in words only.
fn complete_response(status: &str, response: &mut Value, shape: Shape) {
    let failed = status.starts_with(['4', '5']);
    if failed && response.get("content").is_none() {
        response["content"] = problem_content();
    }
    let mut names: Vec<(&str, &str)> = COMMON_HEADERS.to_vec();
    if !failed {
        names.extend(shape.versioned.then_some(("ETag", "ETag")));
        let write = !shape.get && !shape.keyless;
        names.extend(
            (write && !shape.import).then_some(("Idempotent-Replayed", "IdempotentReplayed")),
        );
        names.extend((write && shape.post).then_some(("Dry-Run", "DryRun")));
        names.extend((status == "201").then_some(("Location", "Location")));
        names.extend((status == "201").then_some(("ETag", "ETag")));
    }
    let headers = object(&mut response["headers"]);
    for (name, component) in names {
        let reference = json!({"$ref": format!("#/components/headers/{component}")});
        headers.entry(name).or_insert(reference);
    }
}

fn problem_content() -> Value {
    json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}})
}

/// Header and component.
const COMMON_HEADERS: [(&str, &str); 8] = [
    ("Request-Id", "RequestId"),
    ("Served-By", "ServedBy"),
    ("Freshness", "Freshness"),
    ("Consistency-Token", "ConsistencyToken"),
    ("Request-Cost", "RequestCost"),
    ("Server-Timing", "ServerTiming"),
    ("RateLimit-Policy", "RateLimitPolicy"),
    ("RateLimit", "RateLimit"),
];

fn headers() -> Value {
    let header = |description: &str, example: &str| json!({"description": description, "schema": {"type": "string"}, "example": example});
    json!({
        "RequestId": header("The same id in logs, audit rows, events and problems.", "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs"),
        "ServedBy": header("Region and process that answered.", "eu1;node=\"api-7d9f\""),
        "Freshness": header(
            "How old the data can be: `strong`, `follower`, `cache`, `snapshot`, or `none` where no data was read. The answer \
             reflects every write acknowledged `max_ms` milliseconds or more before the request was received.",
            "strong;max_ms=0;home=\"eu1\""),
        "ConsistencyToken": header("The newest state that this answer reflects. Good in every region.", "AQAAAZqpB2AAAAAAAA"),
        "RequestCost": header("Statements, rows, serializable retries, cross-region round trips.", "sql=4, rows=12, retries=1, xregion=0"),
        "ServerTiming": header("Milliseconds (W3C Server Timing).", "auth;dur=0.2, db;dur=11.8, commit;dur=64.0, total;dur=78.1"),
        "RateLimitPolicy": header("Quota of the principal (or, without one, of the client's address) and its window in seconds.", "\"api\";q=600;w=1"),
        "RateLimit": header("What is left of the quota, and the seconds until it is whole again.", "\"api\";r=587;t=1"),
        "IdempotentReplayed": header("This is the stored answer of an earlier request with the same key. Present on replays only.", "true"),
        "DryRun": header("The write was rehearsed and rolled back. Present on rehearsals only.", "true"),
        "ETag": header("The version of what is shown, for `If-Match` and `If-None-Match`.", "\"7\""),
        "Location": header("Path of what was made.", "/v1/warehouse/items/itm_g_3v9kq2m8x0c7d5f1h4j6n9p2rs"),
        "RetryAfter": {"description": "Seconds; `retry_after_ms` in the body is exact.", "schema": {"type": "integer"}, "example": 1},
    })
}

fn parameters() -> Value {
    let header = |name: &str, required: bool, description: &str, schema: Value| json!({"name": name, "in": "header", "required": required, "description": description, "schema": schema});
    let text = json!({"type": "string"});
    let key = json!({"type": "string", "pattern": "^\"?[A-Za-z0-9._:-]{8,128}\"?$"});
    let tags = "An `ETag`, a list of them, or `*`.";
    json!({
        "ReadConsistency": header("Read-Consistency", false,
            "`strong`, `bounded;max_ms=10000` or `local`. Without it: strong for one office, bounded for several.",
            json!({"type": "string", "pattern": "^(strong|local|bounded; *max_ms=[0-9]{1,15})$"})),
        "ConsistencyToken": header("Consistency-Token", false, "Read nothing older than this.", text.clone()),
        "Traceparent": header("traceparent", false, "W3C trace context; one that is malformed is ignored.", text.clone()),
        "IdempotencyKey": header("Idempotency-Key", true,
            "The name of this write, new for each and kept for its repeats; quoted or bare. Not needed with `dry_run=true`.", key.clone()),
        "OptionalIdempotencyKey": header("Idempotency-Key", false,
            "The name of this write, new for each and kept for its repeats; quoted or bare.", key),
        "DryRun": {"name": "dry_run", "in": "query", "required": false, "schema": {"type": "boolean", "default": false},
            "description": "Check everything, answer as the real request would be, and store nothing."},
        "IfMatch": header("If-Match", true, tags, text.clone()),
        "OptionalIfMatch": header("If-Match", false, tags, text.clone()),
        "IfNoneMatch": header("If-None-Match", false, tags, text),
        "Prefer": header("Prefer", false, "`return=minimal` leaves the body out (RFC 7240).", json!({"type": "string"})),
    })
}

fn responses() -> Value {
    let described = [
        (
            "400",
            "A path, query or header value, the idempotency key, the cursor, the token or the JSON is not acceptable.",
        ),
        ("401", "There is no token, or it does not hold."),
        (
            "403",
            "The token lacks the scope or does not reach the office.",
        ),
        ("404", "There is no such resource."),
        (
            "406",
            "`Accept` rules out every type that this operation answers with.",
        ),
        ("409", "The present state does not allow it."),
        ("410", "The cursor has expired."),
        ("412", "`If-Match` names another version."),
        ("413", "The body has more than 1 MiB."),
        ("414", "Path and query have more than 8 KiB."),
        ("415", "The body is not sent as JSON."),
        (
            "422",
            "The body breaks a rule, or the key was used for another request.",
        ),
        ("428", "`If-Match` is missing."),
        ("429", "The quota is used up."),
        (
            "431",
            "There are more than 64 header fields or 16 KiB of them.",
        ),
        ("500", "A bug of ours."),
        (
            "503",
            "Not now: contention, an unknown outcome, an unreachable region, overload, shutdown.",
        ),
        ("504", "No answer within 10 seconds. Nothing was changed."),
    ];
    let mut responses = Map::new();
    for (status, description) in described {
        let mut names: Vec<(&str, &str)> = COMMON_HEADERS.to_vec();
        names.extend(
            matches!(status, "429" | "503" | "504").then_some(("Retry-After", "RetryAfter")),
        );
        let headers: Map<String, Value> = names
            .into_iter()
            .map(|(name, component)| {
                (
                    name.to_owned(),
                    json!({"$ref": format!("#/components/headers/{component}")}),
                )
            })
            .collect();
        let response =
            json!({"description": description, "headers": headers, "content": problem_content()});
        responses.insert(format!("Problem{status}"), response);
    }
    Value::Object(responses)
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457. Facts of the case are further members.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "region", "retryable"],
        "properties": {
            "type": {"type": "string", "description": "`/problems/<code>`, a page that explains the code."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "code": {"type": "string", "description": "Open: clients must expect codes that they do not know."},
            "request_id": {"type": "string"},
            "region": {"type": "string"},
            "retryable": {"type": "boolean", "description": "The same request, with the same key, may succeed later."},
            "retry_after_ms": {"type": "integer"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
            "effect": {"type": "string", "enum": ["none", "unknown"], "description":
                "Of a write: `none`: this attempt changed nothing and never will. `unknown`: the receipt will tell."},
            "receipt": {"type": "string", "description": "Where a write of unknown effect will be known."},
            "alternatives": {"type": "array", "description": "Regions that may answer at once.", "items": {
                "type": "object", "required": ["region", "base_url"],
                "properties": {"region": {"type": "string"}, "base_url": {"type": "string"}}}},
        },
        "example": {
            "type": "/problems/not_found", "title": "Not found", "status": 404, "code": "not_found",
            "detail": "The office xyz does not exist.", "instance": "/v1/offices/xyz",
            "request_id": "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs", "region": "eu1", "retryable": false,
        },
    })
}

fn field_error_schema() -> Value {
    json!({
        "type": "object",
        "description": "One broken rule: of a body, with `pointer`; of path, query or header, with `parameter`.",
        "required": ["code", "detail"],
        "properties": {
            "pointer": {"type": "string", "description": "RFC 6901."},
            "parameter": {"type": "string"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "suggestion": {"type": "string"},
        },
    })
}

#[cfg(test)]
mod tests;
