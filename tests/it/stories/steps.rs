//! What the sentences of the stories mean.

use std::collections::{BTreeMap, BTreeSet};

use gherkin::Step;
use serde_json::{Value, json};

use super::{Item, Office, Story, unique};
use crate::http::{fresh_key, send};

/// The words in the places of the pattern that are open (`{}`), if the sentence has its form.
fn words<'a>(pattern: &str, sentence: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = pattern.split("{}");
    let mut rest = sentence.strip_prefix(literals.next()?)?;
    let mut found = Vec::new();
    let mut literals = literals.peekable();
    while let Some(literal) = literals.next() {
        let end = match literals.peek() {
            Some(_) => rest.find(literal)?,
            None => rest
                .len()
                .checked_sub(literal.len())
                .filter(|end| rest.get(*end..) == Some(literal))?,
        };
        found.push(&rest[..end]);
        rest = &rest[end + literal.len()..];
    }
    rest.is_empty().then_some(found)
}

/// Minor units of an amount as people write it.
fn minor(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

/// Does what a sentence says, or checks it.
pub(super) async fn tell(story: &mut Story, step: &Step) {
    // One form for one and for many.
    let sentence = step
        .value
        .replace(" are ", " is ")
        .replace(" were ", " is ")
        .replace(" come back ", " comes back ")
        .replace(" orders,", " order,");
    let told = given(story, &sentence).await
        || when(story, &sentence).await
        || when_goods_move(story, &sentence).await
        || then(story, &sentence).await
        || then_reports(story, &sentence, step).await;
    assert!(told, "nobody knows what this means: {}", step.value);
}

async fn given(story: &mut Story, sentence: &str) -> bool {
    let means = |pattern| words(pattern, sentence);
    if let Some(w) = means("an office \"{}\" in \"{}\" with \"{}\" and {} % tax, at home in \"{}\"")
    {
        let code = unique(w[0]);
        let body = json!({"code": code, "name": w[0], "country": "PT", "city": w[0], "time_zone": w[1], "currency": w[2],
            "latitude": -15, "longitude": -25, "home_region": w[4], "default_tax_rate_bp": number(w[3]) * 100});
        story
            .api()
            .post("/v1/offices", &fresh_key(), &body)
            .await
            .expect(201);
        let office = Office {
            code,
            month: String::new(),
        };
        story.offices.insert(w[0].into(), office);
    } else if let Some(w) = means("an item \"{}\" that sells for {} \"{}\"") {
        let sku = unique(w[0]);
        let body = json!({"sku": sku, "name": w[0], "description": w[0], "country_of_origin": "PL", "unit": "each",
            "prices": [{"currency": w[2], "amount_minor": minor(w[1])}]});
        let id = story.make("/v1/warehouse/items", &body).await;
        story.items.insert(w[0].into(), Item { id, sku });
    } else if let Some(w) = means("\"{}\" sells for {} \"{}\" from now on") {
        let path = format!(
            "/v1/warehouse/items/{}/prices/{}",
            story.items[w[0]].id, w[2]
        );
        let request = story
            .api()
            .request("PUT", &path)
            .json(&json!({"amount_minor": minor(w[1])}));
        send(request).await.unwrap().expect(200);
    } else if let Some(w) = means("{} \"{}\" at \"{}\" that cost {} each") {
        let location = location(story, w[2]);
        let cost = number(w[0]) * minor(w[3]);
        let line =
            json!({"item": story.items[w[1]].id, "quantity": number(w[0]), "cost_minor": cost});
        let body = json!({"location": location, "reference": "PO-1", "lines": [line]});
        let answer = story
            .api()
            .post("/v1/warehouse/receipts", &fresh_key(), &body)
            .await;
        let received = answer.expect(201).json();
        let date = received["journal_entry"]["effective_date"]
            .as_str()
            .unwrap()
            .to_owned();
        let office = story.offices.get_mut(w[2]).unwrap();
        office.month = date[..7].to_owned();
    } else if let Some(w) = means("a customer \"{}\" of \"{}\" gives the address \"{}\"") {
        ask_for_customer(story, w[1], json!({"name": w[0], "email": w[2]})).await;
    } else if let Some(w) = means("a customer \"{}\" of \"{}\" with the address \"{}\"") {
        let id = customer(story, w[1], json!({"name": w[0], "email": w[2]})).await;
        story.customers.insert(w[0].into(), id);
    } else if let Some(w) = means("a customer \"{}\" of \"{}\"") {
        let id = customer(story, w[1], json!({"name": w[0]})).await;
        story.customers.insert(w[0].into(), id);
    } else {
        return false;
    }
    true
}

fn location(story: &Story, office: &str) -> String {
    format!("{}-main", story.offices[office].code)
}

async fn ask_for_customer(story: &mut Story, office: &str, mut body: Value) {
    body["office"] = json!(story.offices[office].code);
    story.ask("/v1/sales/customers", &body).await;
}

async fn customer(story: &mut Story, office: &str, body: Value) -> String {
    ask_for_customer(story, office, body).await;
    story.last.take().unwrap().expect(201).text_of("id")
}

/// `2 "lamp" and 1 "vase" at "Boston"`; at the office itself unless another is named.
fn lines(story: &Story, office: &str, text: &str) -> Vec<Value> {
    let line = |piece: &str| {
        let (goods, place) = piece.split_once(" at ").unwrap_or((piece, office));
        let (quantity, item) = goods.split_once(' ').unwrap();
        let (place, item) = (place.trim_matches('"'), item.trim_matches('"'));
        json!({"item": story.items[item].id, "location": location(story, place), "quantity": number(quantity)})
    };
    text.split(" and ").map(line).collect()
}

async fn take_order(story: &mut Story, office: &str, customer: &str, goods: &str, more: Value) {
    let mut body = json!({"office": story.offices[office].code, "customer": story.customers[customer],
        "lines": lines(story, office, goods)});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    story.ask("/v1/sales/orders", &body).await;
    let answer = story.last.as_ref().unwrap();
    if answer.status == 201 {
        let id = answer.text_of("id");
        assert_eq!(
            answer.header("location"),
            Some(&*format!("/v1/sales/orders/{id}"))
        );
        story.order = Some(format!("/v1/sales/orders/{id}"));
    }
}

async fn when(story: &mut Story, sentence: &str) -> bool {
    let means = |pattern| words(pattern, sentence);
    if let Some(w) = means("\"{}\" takes an order in \"{}\" of {} for \"{}\"") {
        take_order(story, w[0], w[3], w[2], json!({"currency": w[1]})).await;
    } else if let Some(w) = means("\"{}\" takes an order of {} for \"{}\"") {
        take_order(story, w[0], w[2], w[1], json!({"reference": "WEB-1"})).await;
    } else if let Some(w) = means("\"{}\" holds {} for {} seconds in an order for \"{}\"") {
        take_order(
            story,
            w[0],
            w[3],
            w[1],
            json!({"hold_seconds": number(w[2])}),
        )
        .await;
    } else if let Some(w) = means("the order becomes one of {}") {
        let path = story.order_path().to_owned();
        let order = story.look(&path).await;
        let office = order["office"].as_str().unwrap();
        let named = story.offices.iter().find(|(_, known)| known.code == office);
        let name = named.unwrap().0.clone();
        let body = json!({"lines": lines(story, &name, w[0])});
        let request = story.api().request("PATCH", &path).json(&body);
        let request = request.header("if-match", format!("\"{}\"", order["version"]));
        story.last = Some(send(request).await.unwrap());
    } else if let Some(w) = means("{} is paid by \"{}\" under \"{}\"") {
        let body = json!({"amount_minor": minor(w[0]), "method": w[1], "external_reference": w[2]});
        ask_of_order(story, "payments", &body).await;
    } else if let Some(w) = means("{} is paid by \"{}\"") {
        ask_of_order(
            story,
            "payments",
            &json!({"amount_minor": minor(w[0]), "method": w[1]}),
        )
        .await;
    } else if let Some(w) = means("{} is refunded by \"{}\"") {
        ask_of_order(
            story,
            "refunds",
            &json!({"amount_minor": minor(w[0]), "method": w[1]}),
        )
        .await;
    } else if let Some(w) = means("\"{}\" closes the month") {
        ask_of_month(story, w[0], "close", &json!({})).await;
    } else if let Some(w) = means("\"{}\" reopens the month because \"{}\"") {
        ask_of_month(story, w[0], "reopen", &json!({"reason": w[1]})).await;
    } else if let Some(w) = means("\"{}\" closes for good") {
        let path = format!("/v1/offices/{}", story.offices[w[0]].code);
        change(story, "PATCH", &path, Some(json!({"status": "closed"}))).await;
    } else if let Some(w) = means("\"{}\" is archived") {
        let path = format!("/v1/warehouse/items/{}", story.items[w[0]].id);
        change(story, "PATCH", &path, Some(json!({"status": "archived"}))).await;
    } else if let Some(w) = means("\"{}\" is forgotten") {
        let path = format!("/v1/sales/customers/{}", story.customers[w[0]]);
        change(story, "DELETE", &path, None).await;
    } else {
        return when_somebody_else(story, sentence).await;
    }
    true
}

async fn when_somebody_else(story: &mut Story, sentence: &str) -> bool {
    let (role, offices, method) = match sentence {
        "somebody of another office confirms it" => ("manager", "nyc", "POST"),
        "somebody of another office looks at it" => ("manager", "nyc", "GET"),
        "somebody who may only look confirms it" => ("viewer", "*", "POST"),
        _ => return false,
    };
    let token = story.world.token(&["--role", role, "--offices", offices]);
    let api = story.api().with(Some(token));
    let path = story.order_path().to_owned();
    story.last = Some(match method {
        "GET" => api.get(&path).await,
        _ => {
            api.post(&format!("{path}/confirm"), &fresh_key(), &json!({}))
                .await
        }
    });
    true
}

async fn ask_of_order(story: &mut Story, what: &str, body: &Value) {
    let path = format!("{}/{what}", story.order_path());
    story.ask(&path, body).await;
}

async fn ask_of_month(story: &mut Story, office: &str, verb: &str, body: &Value) {
    let office = &story.offices[office];
    let path = format!(
        "/v1/accounting/periods/{}/{}/{verb}",
        office.code, office.month
    );
    story.ask(&path, body).await;
}

/// A change of the version that is there.
async fn change(story: &mut Story, method: &str, path: &str, body: Option<Value>) {
    let version = story.look(path).await["version"].clone();
    let request = story
        .api()
        .request(method, path)
        .header("if-match", format!("\"{version}\""));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    story.last = Some(send(request).await.unwrap());
}

async fn when_goods_move(story: &mut Story, sentence: &str) -> bool {
    let means = |pattern| words(pattern, sentence);
    if sentence == "the order is confirmed" {
        ask_of_order(story, "confirm", &json!({})).await;
    } else if sentence == "everything is shipped" {
        ask_of_order(story, "shipments", &json!({})).await;
    } else if let Some(w) = means("the order is cancelled because \"{}\"") {
        ask_of_order(story, "cancel", &json!({"reason": w[0]})).await;
    } else if let Some(w) = means("{} \"{}\" is shipped") {
        let line = line_of(story, w[1], w[0], json!({})).await;
        ask_of_order(story, "shipments", &json!({"lines": [line]})).await;
    } else if let Some(w) = means("{} \"{}\" is cancelled because \"{}\"") {
        let line = line_of(story, w[1], w[0], json!({})).await;
        ask_of_order(story, "cancel", &json!({"reason": w[2], "lines": [line]})).await;
    } else if let Some(w) = means("{} \"{}\" comes back to \"{}\" because \"{}\"") {
        let more = json!({"disposition": w[2], "reason": w[3]});
        let line = line_of(story, w[1], w[0], more).await;
        ask_of_order(story, "returns", &json!({"lines": [line]})).await;
    } else if let Some(w) = means("{} \"{}\" is lost at \"{}\"") {
        let body = json!({"location": location(story, w[2]), "item": story.items[w[1]].id, "delta": -number(w[0]),
            "reason": "damage"});
        story.ask("/v1/warehouse/adjustments", &body).await;
    } else {
        return false;
    }
    true
}

/// The order's line of an item, with so many units of it.
async fn line_of(story: &mut Story, item: &str, quantity: &str, mut line: Value) -> Value {
    let path = story.order_path().to_owned();
    let order = story.look(&path).await;
    let item = &story.items[item].id;
    let mut lines = order["lines"].as_array().unwrap().iter();
    let found = lines.find(|line| line["item"] == json!(item)).unwrap();
    line["line"] = found["id"].clone();
    line["quantity"] = json!(number(quantity));
    line
}

async fn then(story: &mut Story, sentence: &str) -> bool {
    let means = |pattern| words(pattern, sentence);
    if let Some(w) = means("it is refused as {} \"{}\"") {
        let answer = story.last.take().unwrap();
        answer.expect_problem(w[0].parse().unwrap(), w[1]);
        if answer.json().get("effect").is_some() {
            assert_eq!(answer.text_of("effect"), "none");
        }
        story.refusal = Some(answer.json());
    } else if let Some(w) = means("the refusal says that {} is wanted and {} is there") {
        let line = &story.refusal.as_ref().unwrap()["lines"][0];
        assert_eq!(
            (&line["wanted"], &line["available"]),
            (&json!(number(w[0])), &json!(number(w[1]))),
            "{line}"
        );
    } else if let Some(w) = means("the refusal says that \"{}\" has {}") {
        let nearest = &story.refusal.as_ref().unwrap()["lines"][0]["nearest"];
        assert_eq!(nearest["office"], story.offices[w[0]].code, "{nearest}");
        assert_eq!(nearest["available"], number(w[1]), "{nearest}");
    } else if let Some(w) = means("the order is \"{}\", \"{}\", and comes to {}") {
        let path = story.order_path().to_owned();
        let order = story.look(&path).await;
        let said = (
            &order["status"],
            &order["payment_status"],
            &order["total_minor"],
        );
        assert_eq!(
            said,
            (&json!(w[0]), &json!(w[1]), &json!(minor(w[2]))),
            "{order}"
        );
    } else if let Some(w) = means("{} \"{}\" is reserved at \"{}\"") {
        let level = level(story, w[1], w[2]).await;
        assert_eq!(level["reserved"], number(w[0]), "{level}");
    } else if let Some(w) = means("{} \"{}\" is at \"{}\", worth {}") {
        let level = level(story, w[1], w[2]).await;
        let said = (&level["on_hand"], &level["value_minor"]);
        assert_eq!(said, (&json!(number(w[0])), &json!(minor(w[3]))), "{level}");
    } else {
        return false;
    }
    true
}

async fn level(story: &mut Story, item: &str, office: &str) -> Value {
    let path = format!(
        "/v1/warehouse/levels?location={}&item={}",
        location(story, office),
        story.items[item].id
    );
    story.look(&path).await["data"][0].clone()
}

async fn then_reports(story: &mut Story, sentence: &str, step: &Step) -> bool {
    let means = |pattern| words(pattern, sentence);
    if let Some(w) = means("the books of \"{}\" show") {
        assert_books(story, w[0], step).await;
    } else if let Some(w) = means("the timeline tells of \"{}\"") {
        assert_timeline(story, w[0]).await;
    } else if let Some(w) = means("stock and books of \"{}\" agree") {
        let path = format!("/v1/reports/integrity?office={}", story.offices[w[0]].code);
        let report = story.look(&path).await;
        let invariants = report["invariants"].as_array().unwrap();
        assert!(invariants.len() >= 6, "{report}");
        assert!(
            invariants
                .iter()
                .all(|invariant| invariant["status"] == "pass"),
            "{report}"
        );
    } else if let Some(w) =
        means("{} \"{}\" net of returns is sold at \"{}\" for {}, with a margin of {}")
    {
        assert_sold(story, &w).await;
    } else if let Some(w) = means("the invoices of the order come to {}") {
        let path = story.order_path().to_owned();
        let order = story.look(&path).await;
        let shipments = story.look(&format!("{path}/shipments")).await;
        let sum = |name: &str| -> i64 {
            let shipments = shipments["data"].as_array().unwrap().iter();
            shipments
                .map(|shipment| shipment[name].as_i64().unwrap())
                .sum()
        };
        assert_eq!(sum("net_minor") + sum("tax_minor"), minor(w[0]));
        assert_eq!(order["invoiced_minor"], minor(w[0]));
    } else if let Some(w) =
        means("the day of \"{}\" shows {} order, {} units, {} net and {} paid in \"{}\"")
    {
        let path = format!(
            "/v1/reports/sales-by-office-day?office={}",
            story.offices[w[0]].code
        );
        let report = story.look(&path).await;
        let row = &report["data"][0];
        let said = ["orders", "units", "net_minor", "paid_minor", "currency"]
            .map(|name| row[name].clone());
        let wanted = [
            json!(number(w[1])),
            json!(number(w[2])),
            json!(minor(w[3])),
            json!(minor(w[4])),
            json!(w[5]),
        ];
        assert_eq!(said, wanted, "{report}");
    } else {
        return false;
    }
    true
}

/// What the order went through is told in order of time, by all three systems, and these are among it.
async fn assert_timeline(story: &mut Story, kinds: &str) {
    let path = format!("{}/timeline", story.order_path());
    let told = story.look(&path).await;
    let facts = told["data"].as_array().unwrap();
    let times: Vec<&str> = facts
        .iter()
        .map(|fact| fact["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "{told}");
    for kind in kinds.split(", ") {
        assert!(
            facts
                .iter()
                .any(|fact| fact["type"].as_str().unwrap().contains(kind)),
            "{kind} in {told}"
        );
    }
    let systems: BTreeSet<&str> = facts
        .iter()
        .map(|fact| fact["system"].as_str().unwrap())
        .collect();
    assert_eq!(
        systems,
        BTreeSet::from(["accounting", "sales", "warehouse"])
    );
}

/// So many of an item were sold at an office, for so much, with such a margin.
async fn assert_sold(story: &mut Story, w: &[&str]) {
    let path = format!("/v1/reports/sold-items?office={}", story.offices[w[2]].code);
    let report = story.look(&path).await;
    let sku = &story.items[w[1]].sku;
    let row = report["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["sku"] == json!(sku))
        .unwrap();
    let said = [
        &row["net_quantity"],
        &row["net_revenue_minor"],
        &row["margin_minor"],
    ];
    assert_eq!(
        said,
        [
            &json!(number(w[0])),
            &json!(minor(w[3])),
            &json!(minor(w[4]))
        ],
        "{row}"
    );
}

/// The closing balances of the trial balance, debit-positive, are those of the table and no others.
async fn assert_books(story: &mut Story, office: &str, step: &Step) {
    let path = format!(
        "/v1/reports/trial-balance?office={}",
        story.offices[office].code
    );
    let report = story.look(&path).await;
    let rows = report["data"].as_array().unwrap().iter();
    let found: BTreeMap<String, i64> = rows
        .map(|row| {
            (
                row["account"].as_str().unwrap().to_owned(),
                row["closing_minor"].as_i64().unwrap(),
            )
        })
        .filter(|(_, closing)| *closing != 0)
        .collect();
    let table = step.table.as_ref().unwrap().rows.iter().skip(1);
    let wanted: BTreeMap<String, i64> = table
        .map(|row| (row[0].split(' ').next().unwrap().to_owned(), minor(&row[1])))
        .collect();
    assert_eq!(found, wanted, "{report}");
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn sentences_are_taken_apart_at_the_open_places() {
        assert_eq!(
            words("{} \"{}\" is shipped", "2 \"lamp\" is shipped"),
            Some(vec!["2", "lamp"])
        );
        assert_eq!(words("{} \"{}\" is shipped", "everything is shipped"), None);
        assert_eq!(words("a \"{}\"", "a \"b\" c"), None);
        assert_eq!(words("exactly", "exactly"), Some(vec![]));
    }
}
