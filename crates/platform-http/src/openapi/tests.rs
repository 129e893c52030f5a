use serde_json::json;

use super::*;

fn sample() -> Value {
    json!({
        "paths": {
            "/v1/things/{id}": {
                "get": {"operationId": "get_thing", "parameters": [{"name": "id", "in": "path"}, {"name": "q", "in": "path"}],
                    "responses": {"200": {"description": "", "content": {"application/json": {"schema":
                        {"$ref": "#/components/schemas/Thing"}}}}}},
                "put": {"operationId": "set_thing", "requestBody": {}, "responses": {"200": {"description": ""}}},
                "patch": {"operationId": "update_thing",
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {"200": {"description": ""}, "409": {"description": "`thing_taken`"}}},
            },
            "/v1/things": {
                "post": {"operationId": "create_thing", "requestBody": {}, "responses": {"201": {"description": ""}}},
            },
            "/v1/check": {"post": {"operationId": "check", "x-keyless": true, "requestBody": {}, "responses": {"200": {"description": ""}}}},
            "/v1/void": {"post": {"operationId": "void", "x-keyless": true, "responses": {"200": {"description": ""}}}},
            "/v1/public": {"get": {"operationId": "public", "security": [{}], "responses": {"200": {"description": ""}}}},
        },
        "components": {"schemas": {"Thing": {"properties": {"version": {}}}}},
    })
}

fn completed() -> Value {
    let mut document = sample();
    complete(&mut document);
    document
}

fn refs(operation: &Value) -> Vec<&str> {
    let parameters = operation["parameters"].as_array().unwrap();
    parameters
        .iter()
        .filter_map(|p| p["$ref"].as_str()?.rsplit('/').next())
        .collect()
}

#[test]
fn parameters_follow_from_the_method() {
    let document = completed();
    let paths = &document["paths"];
    let thing = &paths["/v1/things/{id}"];
    assert!(refs(&thing["get"]).contains(&"IfNoneMatch"));
    assert!(refs(&thing["patch"]).contains(&"IfMatch"));
    assert!(refs(&paths["/v1/things"]["post"]).contains(&"IdempotencyKey"));
    assert!(refs(&paths["/v1/things"]["post"]).contains(&"DryRun"));
    assert!(!refs(&paths["/v1/check"]["post"]).contains(&"IdempotencyKey"));
    assert!(paths["/v1/check"]["post"].get(KEYLESS).is_none());
    assert_eq!(
        thing["get"]["parameters"][1]["in"], "query",
        "no such place in the path"
    );
}

#[test]
fn a_patch_may_say_that_it_is_a_merge_patch() {
    let document = completed();
    let content = &document["paths"]["/v1/things/{id}"]["patch"]["requestBody"]["content"];
    assert_eq!(content[MERGE_PATCH], content["application/json"]);
    assert!(content[MERGE_PATCH]["schema"].is_object(), "{content}");
}

#[test]
fn what_is_wrong_with_a_document_is_named() {
    let mut document = completed();
    assert!(
        document_faults(&document)
            .iter()
            .all(|fault| fault.ends_with("has no summary"))
    );
    document["paths"]["/v1/public"]["get"]["operationId"] = "check".into();
    document["paths"]["/v1/check"]["post"]["parameters"][0]["$ref"] =
        "#/components/parameters/None".into();
    object(&mut document["paths"]["/v1/things"]["post"]).remove("operationId");
    let faults = document_faults(&document);
    for fault in [
        "check is there twice",
        "#/components/parameters/None leads nowhere",
        "post /v1/things has no operation id",
    ] {
        assert!(faults.contains(&fault.to_owned()), "{fault}: {faults:?}");
    }
}

#[test]
fn problems_follow_from_the_operation() {
    let document = completed();
    let statuses = |path: &str, method: &str| {
        let responses = document["paths"][path][method]["responses"]
            .as_object()
            .unwrap();
        responses.keys().cloned().collect::<Vec<_>>()
    };
    let has = |path: &str, method: &str, status: &str| {
        statuses(path, method).contains(&status.to_owned())
    };
    assert!(has("/v1/things/{id}", "get", "304") && has("/v1/things/{id}", "get", "404"));
    assert!(has("/v1/things/{id}", "patch", "428") && has("/v1/things/{id}", "patch", "412"));
    assert!(has("/v1/things/{id}", "patch", "204"), "return=minimal");
    assert!(has("/v1/things/{id}", "put", "412") && !has("/v1/things/{id}", "put", "428"));
    assert!(has("/v1/things", "post", "413") && !has("/v1/things", "post", "404"));
    assert!(has("/v1/void", "post", "422") && !has("/v1/void", "post", "204"));
    assert!(!has("/v1/public", "get", "401") && has("/v1/things", "post", "401"));
    assert_eq!(
        document["paths"]["/v1/public"]["get"]["security"],
        json!([])
    );
    assert_eq!(
        document["paths"]["/v1/things"]["post"]["security"],
        json!([{"bearer": []}])
    );
    let own = &document["paths"]["/v1/things/{id}"]["patch"]["responses"]["409"];
    assert_eq!(own["description"], "`thing_taken`");
    assert!(
        own["content"]["application/problem+json"].is_object(),
        "{own}"
    );
    assert!(own["headers"]["Request-Id"].is_object(), "{own}");
}

#[test]
fn the_pipeline_learns_ids_and_query_parameters() {
    let operations = operations(&completed());
    let find = |path: &str, method: &str| {
        operations[path]
            .iter()
            .find(|operation| operation.method == method)
            .unwrap()
    };
    let get = find("/v1/things/{id}", "GET");
    assert_eq!(
        (get.id.as_str(), get.query.as_slice()),
        ("get_thing", &["q".to_owned()][..])
    );
    assert_eq!(find("/v1/things", "POST").query, ["dry_run"]);
    assert!(find("/v1/check", "POST").query.is_empty());
    assert_eq!(find("/v1/check", "POST").produces, ["application/json"]);
    let report = json!({"paths": {"/v1/report": {"get": {"responses": {
        "200": {"content": {"text/csv": {}, "application/json": {}}},
        "422": {"content": {"application/problem+json": {}}},
    }}}}});
    let operations = super::operations(&report);
    assert_eq!(
        operations["/v1/report"][0].produces,
        ["application/json", "text/csv"]
    );
}

#[test]
fn a_member_that_expands_is_its_id_or_what_it_names() {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let answer =
        |name: &str| json!({"200": {"content": {"application/json": {"schema": reference(name)}}}});
    let expand = json!({"maker": "warehouse:read", "parts.price_list": "warehouse:read", "parts.unheard": "warehouse:read"});
    let mut document = json!({
        "paths": {
            "/v1/things/{id}": {"get": {"x-expand": expand, "parameters": [], "responses": answer("Thing")}},
            "/v1/things": {"get": {"x-expand": expand, "parameters": [], "responses": answer("Listed_Thing")}},
            "/v1/bolts": {"get": {"x-expand": {"maker": "warehouse:read"}, "parameters": [], "responses": answer("BoltPage")}},
        },
        "components": {"schemas": {
            "Listed_Thing": {"properties": {"data": {"type": "array", "items": reference("Thing")}}},
            "Thing": {"properties": {"maker": {"type": "string"}, "parts": {"type": "array", "items": reference("Part")}}},
            "Part": {"properties": {"price_list": {"type": ["string", "null"]}, "unheard": {"type": "string"}}},
            "Maker": {}, "PriceList": {},
            "BoltPage": {"allOf": [reference("Listed_Bolt"), {"properties": {"final": {"type": "boolean"}}}]},
            "Listed_Bolt": {"properties": {"data": {"type": "array", "items": {"properties": {"maker": {"type": "string"}}}}}},
        }},
    });
    complete(&mut document);
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["Thing"]["properties"]["maker"],
        json!({"anyOf": [{"type": "string"}, reference("Maker")]}),
        "said once, though two operations show it"
    );
    assert_eq!(
        schemas["Part"]["properties"]["price_list"],
        json!({"anyOf": [{"type": ["string", "null"]}, reference("PriceList")]})
    );
    assert_eq!(
        schemas["Listed_Bolt"]["properties"]["data"]["items"]["properties"]["maker"],
        json!({"anyOf": [{"type": "string"}, reference("Maker")]})
    );
    assert_eq!(
        schemas["Part"]["properties"]["unheard"],
        json!({"type": "string"})
    );
}
