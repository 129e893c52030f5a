//! Orders against what was recorded of them, what is put aside for them and what the books say of them.

use std::collections::BTreeMap;

use accounting::{ledger::chart, reports::SubjectBalances};
use kernel::id::OrderId;
use sales::reports::{OpenLine, OrderBalance, UnsoundOrders};
use warehouse::reports::HeldLine;

use super::Broken;
use crate::views::reports::{Figure, Offender};

/// The kind of an order as a subject of entries.
pub(super) const ORDER: &str = "order";

/// I4: what orders and lines say of themselves, and what is put aside for their lines.
pub(super) fn of_orders(
    found: [UnsoundOrders; 2],
    open: Vec<OpenLine>,
    held: Vec<HeldLine>,
) -> Broken {
    let mut broken = Broken::default();
    for unsound in found {
        let offenders = unsound.first.into_iter().map(|order| Offender {
            office: Some(order.office),
            order: Some(order.order),
            line: order.line,
            what: order.what,
            expected: Some(Figure(order.expected)),
            found: Some(Figure(order.found)),
            ..Offender::default()
        });
        broken.add(unsound.count, offenders);
    }
    let unheld = not_held(open, held);
    broken.add(count(&unheld), unheld);
    broken
}

/// Lines of confirmed orders for which something else is put aside than what is still to be shipped, and lines of others
/// for which anything is.
fn not_held(open: Vec<OpenLine>, held: Vec<HeldLine>) -> Vec<Offender> {
    let key = |line: &kernel::id::OrderLineId| (line.region().clone(), line.uuid());
    let mut held: BTreeMap<_, _> = held
        .into_iter()
        .map(|held| (key(&held.line), held))
        .collect();
    let mut offenders = Vec::new();
    for open in open {
        let found = held.remove(&key(&open.line)).map_or(0, |held| held.held);
        if found != open.open {
            offenders.push(Offender {
                office: Some(open.office),
                order: Some(open.order),
                line: Some(open.line),
                what: RESERVED.into(),
                expected: Some(Figure(open.open)),
                found: Some(Figure(found)),
                ..Offender::default()
            });
        }
    }
    offenders.extend(held.into_values().map(|held| Offender {
        office: Some(held.office),
        line: Some(held.line),
        what: RESERVED.into(),
        expected: Some(Figure(0)),
        found: Some(Figure(held.held)),
        ..Offender::default()
    }));
    offenders
}

const RESERVED: &str = "reserved";

/// What one order owes and was paid ahead.
#[derive(Debug, Clone, Default)]
struct Sides {
    /// By the order.
    order: Option<OrderBalance>,
    /// By the books: 1100 and 2200, both debit-positive.
    books: [i128; 2],
}

/// I5: 1100 − 2200 of the entries about an order is invoiced − credited − paid + refunded, and each of the two is what the
/// order says it is. Only orders with anything on either side are here.
pub(super) fn of_books(orders: Vec<OrderBalance>, books: Vec<SubjectBalances>) -> Broken {
    let mut sides = BTreeMap::<(_, String), Sides>::new();
    for order in orders {
        let key = (order.office.clone(), order.order.to_string());
        sides.entry(key).or_default().order = Some(order);
    }
    for subject in books {
        let key = (subject.office, subject.subject);
        sides.entry(key).or_default().books = subject.balances_minor;
    }
    let mut broken = Broken::default();
    for ((office, subject), sides) in sides {
        let (receivable, deposit) = (sides.books[0], -sides.books[1]);
        let said = sides.order.as_ref();
        let of = |figure: fn(&OrderBalance) -> i128| said.map_or(0, figure);
        let pairs = [
            (
                "invoiced - credited - paid + refunded",
                None,
                of(|order| order.owed_minor),
                receivable - deposit,
            ),
            (
                "receivable_minor",
                Some(chart::receivables()),
                of(|order| order.receivable_minor),
                receivable,
            ),
            (
                "deposit_minor",
                Some(chart::customer_deposits()),
                of(|order| order.deposit_minor),
                deposit,
            ),
        ];
        for (what, account, expected, found) in pairs {
            if expected != found {
                let offender = Offender {
                    office: Some(office.clone()),
                    order: subject.parse::<OrderId>().ok(),
                    account,
                    what: what.into(),
                    expected: Some(Figure(expected)),
                    found: Some(Figure(found)),
                    ..Offender::default()
                };
                broken.add(1, [offender]);
            }
        }
    }
    broken
}

fn count(offenders: &[Offender]) -> i64 {
    i64::try_from(offenders.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use kernel::id::OrderLineId;

    use super::*;

    fn line(n: u8) -> OrderLineId {
        format!("oln_eu1_000000000000000000000000{n:02}")
            .parse()
            .unwrap()
    }

    fn order(n: u8) -> OrderId {
        format!("ord_eu1_000000000000000000000000{n:02}")
            .parse()
            .unwrap()
    }

    #[test]
    fn what_is_put_aside_is_what_confirmed_lines_still_ship() {
        let open = |n, open| OpenLine {
            office: "ber".parse().unwrap(),
            order: order(n),
            line: line(n),
            open,
        };
        let held = |n, held| HeldLine {
            office: "ber".parse().unwrap(),
            line: line(n),
            held,
        };
        let offenders = not_held(
            vec![open(1, 2), open(2, 3), open(3, 1)],
            vec![held(1, 2), held(2, 2), held(4, 5)],
        );
        let told: Vec<_> = offenders
            .iter()
            .map(|offender| {
                (
                    offender.line.clone().unwrap(),
                    offender.order.is_some(),
                    offender.expected.unwrap().0,
                    offender.found.unwrap().0,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (line(2), true, 3, 2),
                (line(3), true, 1, 0),
                (line(4), false, 0, 5)
            ]
        );
    }

    #[test]
    fn hard_case_27_receivables_are_debits_and_deposits_credits() {
        let balance = |n, receivable_minor, deposit_minor, owed_minor| OrderBalance {
            office: "ber".parse().unwrap(),
            order: order(n),
            receivable_minor,
            deposit_minor,
            owed_minor,
        };
        let books = |n, balances_minor| SubjectBalances {
            office: "ber".parse().unwrap(),
            subject: order(n).to_string(),
            balances_minor,
        };
        // One owes 70; one has paid 30 ahead, which is a credit; of one the books know nothing, of another the order.
        let broken = of_books(
            vec![
                balance(1, 70, 0, 70),
                balance(2, 0, 30, -30),
                balance(3, 5, 0, 5),
            ],
            vec![books(1, [70, 0]), books(2, [0, -30]), books(4, [0, -9])],
        );
        let told: Vec<_> = broken
            .first
            .iter()
            .map(|offender| {
                (
                    offender.order.clone().unwrap(),
                    offender.what.as_str(),
                    offender.expected.unwrap().0,
                    offender.found.unwrap().0,
                )
            })
            .collect();
        let owed = "invoiced - credited - paid + refunded";
        assert_eq!(
            told,
            [
                (order(3), owed, 5, 0),
                (order(3), "receivable_minor", 5, 0),
                (order(4), owed, 0, -9),
                (order(4), "deposit_minor", 0, 9),
            ]
        );
        assert_eq!(broken.count, 4);
    }
}
