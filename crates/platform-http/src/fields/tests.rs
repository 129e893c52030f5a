use kernel::{CountryCode, CurrencyCode, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Pointer and code of every error.
fn errors(invalid: &Invalid) -> Vec<(&str, &str)> {
    invalid
        .errors
        .iter()
        .map(|error| (error.pointer.as_str(), error.code))
        .collect()
}

#[test]
fn a_good_body_becomes_a_command() {
    let body = json!({"sku": "LAMP-7", "country": "DE", "barcode": null, "count": 3, "kind": "depot",
        "at": "2026-11-22T13:05:54.120Z", "latitude": 52.520008, "final": true,
        "prices": [{"currency": "EUR", "amount_minor": 100}]});
    let mut f = Fields::of(&body);
    let sku = f.text("sku", 6);
    let country = f.parse::<CountryCode>("country");
    let barcode = f.opt_text("barcode", 128);
    let count = f.integer("count", 1..=3);
    let kind = f.one_of("kind", &[("store", 1), ("depot", 2)]);
    let at = f.opt_parse::<Timestamp>("at");
    let latitude = f.degrees("latitude", 90.0);
    let last = f.opt_boolean("final");
    let prices = f.list("prices", 1, |price| {
        let currency = price.parse::<CurrencyCode>("currency");
        let amount = price.amount("amount_minor", 0);
        Some((currency?, amount?))
    });
    f.read_only(&["id"]);
    assert!(f.has("sku") && !f.has("barcode") && !f.has("nothing"));
    f.finish(|| {
        assert_eq!(
            (sku.as_deref(), count, kind, last),
            (Some("LAMP-7"), Some(3), Some(2), Some(true))
        );
        assert_eq!((barcode, latitude), (None, Some(52.520_008)));
        assert_eq!(prices?.len(), 1);
        country.zip(at)
    })
    .unwrap();
}

#[test]
fn every_broken_rule_is_collected_with_its_pointer() {
    let body = json!({"sku": 7, "name": "  ", "long": "äää", "nul": "a\u{0}", "country": "de", "prices":
        [{"currency": "EUR", "amount_minor": -1}, 7, {"amount_minor": 9_007_199_254_740_992_i64, "x": 1}],
        "id": "itm", "unit": "each", "nmae": "x", "a/b~c": 1});
    let mut f = Fields::of(&body);
    f.text("sku", 128);
    f.text("name", 128);
    f.text("long", 2);
    f.text("nul", 128);
    f.text("missing", 128);
    f.parse::<CountryCode>("country");
    f.list("prices", 10, |price| {
        let currency = price.parse::<CurrencyCode>("currency");
        let amount = price.amount("amount_minor", 0);
        Some((currency?, amount?))
    });
    f.read_only(&["id"]);
    f.immutable(&["unit"]);
    f.error("", "together", "must go together");
    let invalid = f
        .finish(|| -> Option<()> { panic!("a broken body builds nothing") })
        .unwrap_err();
    assert_eq!(
        errors(&invalid),
        [
            ("/sku", "type"),
            ("/name", "length"),
            ("/long", "length"),
            ("/nul", "character"),
            ("/missing", "required"),
            ("/country", "format"),
            ("/prices/0/amount_minor", "range"),
            ("/prices/1", "type"),
            ("/prices/2/currency", "required"),
            ("/prices/2/amount_minor", "amount_out_of_range"),
            ("/prices/2/x", "unknown_member"),
            ("/id", "read_only"),
            ("/unit", "immutable"),
            ("/", "together"),
            ("/a~1b~0c", "unknown_member"),
            ("/nmae", "unknown_member"),
        ]
    );
    let typo = invalid.errors.last().unwrap();
    assert!(
        typo.detail.ends_with("did you mean name?"),
        "{}",
        typo.detail
    );
}

#[test]
fn what_is_not_an_object_says_so_once() {
    for body in [json!([]), json!("text"), json!(7), json!(null)] {
        let mut f = Fields::of(&body);
        let sku = f.text("sku", 128);
        let invalid = f.finish(|| sku).unwrap_err();
        assert_eq!(errors(&invalid), [("", "type")], "{body}");
    }
}

#[test]
fn integers_are_json_integers() {
    let code = |value: Value| {
        let body = json!({"n": value});
        let mut f = Fields::of(&body);
        let n = f.integer("n", -5..=5);
        f.finish(|| n).map_err(|invalid| invalid.errors[0].code)
    };
    assert_eq!(code(json!(-5)), Ok(-5));
    assert_eq!(code(json!(6)), Err("range"));
    assert_eq!(code(json!(1.0)), Err("type"));
    assert_eq!(code(json!("1")), Err("type"));
    assert_eq!(code(json!(true)), Err("type"));
    assert_eq!(code(json!(u64::MAX)), Err("range"));
    assert_eq!(
        code(serde_json::from_str("123456789012345678901234567890").unwrap()),
        Err("range")
    );
}

#[test]
fn degrees_have_a_range_and_six_decimals() {
    let code = |text: &str| {
        let body = json!({"lat": serde_json::from_str::<Value>(text).unwrap()});
        let mut f = Fields::of(&body);
        let lat = f.degrees("lat", 90.0);
        f.finish(|| lat).map_err(|invalid| invalid.errors[0].code)
    };
    for good in ["90", "-90.0", "52.520008", "0", "0.000001"] {
        assert!(code(good).is_ok(), "{good}");
    }
    assert_eq!(code("90.000001"), Err("range"));
    assert_eq!(code("1e10"), Err("range"));
    assert_eq!(code("0.0000001"), Err("precision"));
    assert_eq!(code("\"52\""), Err("type"));
}

#[test]
fn hard_case_40_a_merge_patch_tells_absent_from_null() {
    let read = |body: &Value| {
        let mut f = Fields::of(body);
        let barcode = f.patch_text("barcode", 10);
        let name = f.change_text("name", 10);
        let country = f.patch_parse::<CountryCode>("country");
        f.finish(|| Some((barcode, name, country.is_some())))
    };
    assert_eq!(read(&json!({})), Ok((None, None, false)));
    assert_eq!(
        read(&json!({"barcode": null})),
        Ok((Some(None), None, false))
    );
    let all = json!({"barcode": "1", "name": "n", "country": "DE"});
    assert_eq!(
        read(&all),
        Ok((Some(Some("1".into())), Some("n".into()), true))
    );
    let invalid = read(&json!({"name": null, "country": 7})).unwrap_err();
    assert_eq!(
        errors(&invalid),
        [("/name", "required"), ("/country", "type")]
    );
}

#[test]
fn lists_and_texts_have_bounds() {
    let body = json!({"keys": ["a", 7, "bad"], "many": [{}, {}]});
    let mut f = Fields::of(&body);
    let keys = f.texts("keys", 3, |text| {
        if text == "bad" {
            Err("is bad")
        } else {
            Ok(text.len())
        }
    });
    f.opt_list("many", 1, |_| Some(()));
    assert_eq!(f.opt_list("none", 1, |_| Some(())), None);
    assert_eq!(keys, Some(vec![1]));
    let invalid = f.finish(|| Some(())).unwrap_err();
    assert_eq!(
        errors(&invalid),
        [
            ("/keys/1", "type"),
            ("/keys/2", "format"),
            ("/many", "length")
        ]
    );
}

proptest! {
    #[test]
    fn text_is_kept_as_sent_or_refused(text in "\\PC{0,12}") {
        let body = json!({"t": text});
        let mut f = Fields::of(&body);
        let t = f.text("t", 8);
        match f.finish(|| t) {
            Ok(kept) => prop_assert_eq!(kept, text),
            Err(_) => prop_assert!(text.chars().count() > 8 || text.trim().is_empty()),
        }
    }

    #[test]
    fn unknown_members_never_pass(name in "[a-z]{1,8}") {
        let body = json!({name.clone(): 1});
        let result = Fields::of(&body).finish(|| Some(()));
        let (invalid, pointer) = (result.unwrap_err(), format!("/{name}"));
        prop_assert_eq!(errors(&invalid), [(pointer.as_str(), "unknown_member")]);
    }
}
