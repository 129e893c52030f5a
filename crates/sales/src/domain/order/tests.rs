use kernel::{RegionTag, id::ItemId, money::AMOUNT_MAX};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn amount(minor_units: i64) -> AmountMinor {
    AmountMinor::new(minor_units).unwrap()
}

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn line((units, price, rate): (i64, i64, i64)) -> Line {
    let eu1: RegionTag = "eu1".parse().unwrap();
    Line {
        id: OrderLineId::random(eu1),
        item: ItemId::random(RegionTag::global()),
        location: "ber-main".parse().unwrap(),
        sku: "LAMP-7".into(),
        name: "Lamp".into(),
        quantity: quantity(units),
        unit_price: amount(price),
        tax_rate_bp: rate,
        shipped: Quantity::ZERO,
        returned: Quantity::ZERO,
        cancelled: Quantity::ZERO,
        cost: AmountMinor::ZERO,
        cost_returned: AmountMinor::ZERO,
    }
}

fn draft(lines: Vec<Line>) -> Result<Order, OutOfRange> {
    let eu1: RegionTag = "eu1".parse().unwrap();
    let new = NewOrder {
        id: OrderId::random(eu1.clone()),
        office: "ber".parse().unwrap(),
        customer: CustomerId::random(eu1),
        currency: "EUR".parse().unwrap(),
        reference: None,
        notes: None,
        lines,
        hold_seconds: None,
    };
    Order::draft(new, NOW)
}

fn confirmed(lines: Vec<Line>) -> Order {
    let date = NOW.date_in("Europe/Berlin").unwrap();
    draft(lines).unwrap().confirmed(NOW, date).unwrap()
}

fn units(order: &Order, index: usize, count: i64) -> LineUnits {
    LineUnits {
        line: order.lines[index % order.lines.len()].id.clone(),
        quantity: quantity(count),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pay(i64),
    Refund(i64),
    Ship(usize, i64, i64),
    Return(usize, i64),
    Cancel(usize, i64),
    CancelAll,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..5000_i64).prop_map(Step::Pay),
        2 => (1..5000_i64).prop_map(Step::Refund),
        4 => (0..3_usize, 1..8_i64, 0..900_i64).prop_map(|(line, units, cost)| Step::Ship(line, units, cost)),
        3 => (0..3_usize, 1..8_i64).prop_map(|(line, units)| Step::Return(line, units)),
        2 => (0..3_usize, 1..8_i64).prop_map(|(line, units)| Step::Cancel(line, units)),
        1 => Just(Step::CancelAll),
    ]
}

/// The step done, or nothing where it is refused; refusals are judged by plain numbers.
fn step(order: &Order, step: &Step) -> Option<Order> {
    let open = |index: usize| order.lines[index % order.lines.len()].open().get();
    let confirmed = order.status == OrderStatus::Confirmed;
    match *step {
        Step::Pay(minor) => {
            let done = order.pay(amount(minor), NOW);
            let may = matches!(
                order.status,
                OrderStatus::Confirmed | OrderStatus::Fulfilled
            );
            assert_eq!(done.is_ok(), may);
            let (after, split) = done.ok()?;
            assert_eq!(split.receivable.get() + split.deposit.get(), minor);
            assert!(split.deposit == AmountMinor::ZERO || after.receivable <= AmountMinor::ZERO);
            Some(after)
        }
        Step::Refund(minor) => {
            let done = order.refund(amount(minor), NOW);
            assert_eq!(
                done.is_ok(),
                minor <= order.paid.get() - order.refunded.get()
            );
            let (after, split) = done.ok()?;
            assert_eq!(split.receivable.get() + split.deposit.get(), minor);
            assert!(split.receivable == AmountMinor::ZERO || after.deposit == AmountMinor::ZERO);
            Some(after)
        }
        Step::Ship(index, count, cost) => {
            let done = order.ship(&[(units(order, index, count), amount(cost))], NOW);
            assert_eq!(done.is_ok(), confirmed && count <= open(index));
            let (after, invoice) = done.ok()?;
            assert_eq!(
                invoice.sum.gross().unwrap().get(),
                after.invoiced.get() - order.invoiced.get()
            );
            assert!(after.deposit == AmountMinor::ZERO || after.receivable <= AmountMinor::ZERO);
            Some(after)
        }
        Step::Return(index, count) => {
            let returnable = order.lines[index % order.lines.len()].returnable().get();
            let done = order.take_back(&[units(order, index, count)], NOW);
            assert_eq!(done.is_ok(), count <= returnable);
            let (after, credit) = done.ok()?;
            assert_eq!(
                credit.sum.gross().unwrap().get(),
                after.credited.get() - order.credited.get()
            );
            Some(after)
        }
        Step::Cancel(index, count) => {
            let done = order.cancelled(Some(&[units(order, index, count)]), NOW);
            assert_eq!(done.is_ok(), confirmed && count <= open(index));
            Some(done.ok()?.0)
        }
        Step::CancelAll => {
            let shipped = order.lines.iter().any(|line| line.shipped.get() > 0);
            let done = order.cancelled(None, NOW);
            assert_eq!(done.is_ok(), confirmed && !shipped);
            Some(done.ok()?.0)
        }
    }
}

fn check(order: &Order) {
    for line in &order.lines {
        assert!(line.shipped.get() + line.cancelled.get() <= line.quantity.get());
        assert!(line.returned <= line.shipped);
        assert!(line.cost_returned <= line.cost);
    }
    // Hard case 27: what it owes less what was paid ahead, by the ledger and by the documents.
    assert_eq!(
        order.receivable.get() - order.deposit.get(),
        order.invoiced.get() - order.credited.get() - order.paid.get() + order.refunded.get(),
    );
    assert!(order.deposit >= AmountMinor::ZERO);
    let sum = |of: &dyn Fn(&Line) -> Worth| -> i64 {
        order
            .lines
            .iter()
            .map(|line| of(line).gross().unwrap().get())
            .sum()
    };
    // The parts add up, however the units went.
    assert_eq!(
        order.invoiced.get(),
        sum(&|line| line.part(line.shipped).unwrap())
    );
    assert_eq!(
        order.credited.get(),
        sum(&|line| line.part(line.returned).unwrap())
    );
    let kept = sum(&|line| {
        line.part(line.quantity.minus(line.cancelled).unwrap())
            .unwrap()
    });
    let over = order.lines.iter().all(|line| line.open().is_zero());
    let shipped = order.lines.iter().any(|line| line.shipped.get() > 0);
    let expected = match (over, shipped) {
        (true, true) => OrderStatus::Fulfilled,
        (true, false) => OrderStatus::Cancelled,
        (false, _) => OrderStatus::Confirmed,
    };
    assert_eq!(order.status, expected);
    let held = order.paid.get() - order.refunded.get();
    let payment = if held >= kept - order.credited.get() {
        PaymentStatus::Paid
    } else if held <= 0 {
        PaymentStatus::Unpaid
    } else {
        PaymentStatus::Partial
    };
    assert_eq!(order.payment_status(), payment);
    let fulfilment = match (over, shipped) {
        (_, false) => FulfilmentStatus::None,
        (true, true) => FulfilmentStatus::Full,
        (false, true) => FulfilmentStatus::Partial,
    };
    assert_eq!(order.fulfilment_status(), fulfilment);
}

proptest! {
    /// Whatever is paid, shipped, brought back and cancelled, in whatever order.
    #[test]
    fn an_order_keeps_its_books_and_its_units(
        lines in prop::collection::vec((1..20_i64, 0..999_i64, 0..=10_000_i64), 1..4),
        steps in prop::collection::vec(any_step(), 0..40),
    ) {
        let mut order = confirmed(lines.into_iter().map(line).collect());
        let mut version = order.version;
        check(&order);
        for wanted in &steps {
            if let Some(after) = step(&order, wanted) {
                version += 1;
                prop_assert_eq!(after.version, version);
                check(&after);
                order = after;
            }
        }
    }

    /// The tax of a line is within half a minor unit of its rate, however it is shipped.
    #[test]
    fn parts_of_a_line_add_up_to_it(shape in (1..50_i64, 0..99_999_i64, 0..=10_000_i64), cuts in prop::collection::vec(1..50_i64, 0..6)) {
        let line = line(shape);
        let mut at = Quantity::ZERO;
        let (mut net, mut tax) = (0, 0);
        for cut in cuts.into_iter().chain([shape.0]) {
            let to = at.max(quantity(cut.min(shape.0)));
            let worth = line.between(at, to).unwrap();
            prop_assert!(worth.tax >= AmountMinor::ZERO);
            net += worth.net.get();
            tax += worth.tax.get();
            at = to;
        }
        let whole = line.part(line.quantity).unwrap();
        prop_assert_eq!((net, tax), (whole.net.get(), whole.tax.get()));
        let twice_error = 2 * (tax * 10_000 - net * shape.2);
        prop_assert!(-10_000 < twice_error && twice_error <= 10_000);
    }
}

#[test]
fn hard_case_26_what_is_beyond_the_bound_is_refused() {
    assert!(draft(vec![line((1, AMOUNT_MAX, 0))]).is_ok());
    for lines in [
        vec![line((1, AMOUNT_MAX, 1))],
        vec![line((2, AMOUNT_MAX, 0))],
        vec![line((AMOUNT_MAX, AMOUNT_MAX, 10_000))],
        vec![line((1, AMOUNT_MAX, 0)), line((1, 1, 0))],
        vec![line((1, AMOUNT_MAX - 9, 0)), line((1, 8, 10_000))],
    ] {
        assert_eq!(draft(lines), Err(OutOfRange));
    }
    let order = confirmed(vec![line((1, 1, 0))]);
    let (order, _) = order.pay(amount(AMOUNT_MAX), NOW).unwrap();
    assert_eq!(order.pay(amount(1), NOW), Err(PayError::OutOfRange));
}

#[test]
fn hard_case_27_paid_is_asked_first_and_only_once_placed() {
    let free = draft(vec![line((1, 0, 1900))]).unwrap();
    assert_eq!(free.payment_status(), PaymentStatus::Unpaid);
    assert_eq!(
        confirmed(vec![line((1, 0, 1900))]).payment_status(),
        PaymentStatus::Paid
    );
    let order = confirmed(vec![line((2, 100, 1900))]);
    assert_eq!(order.payment_status(), PaymentStatus::Unpaid);
    let (order, _) = order.pay(amount(119), NOW).unwrap();
    assert_eq!(order.payment_status(), PaymentStatus::Partial);
    let (order, _) = order.cancelled(Some(&[units(&order, 0, 1)]), NOW).unwrap();
    assert_eq!(order.payment_status(), PaymentStatus::Paid);
    let (order, _) = order.refund(amount(119), NOW).unwrap();
    assert_eq!(order.payment_status(), PaymentStatus::Unpaid);
}

#[test]
fn a_draft_ends_with_its_day_written_down_or_not() {
    let order = draft(vec![line((1, 100, 0))]).unwrap();
    let end = NOW.plus(DRAFT_LASTS);
    let before = end.minus(Duration::from_millis(1));
    assert_eq!(order.status_at(before), OrderStatus::Draft);
    assert_eq!(order.status_at(end), OrderStatus::Expired);
    assert!(order.is_as_written(before) && !order.is_as_written(end));
    assert_eq!(order.expired(before), None);
    let date = end.date_in("UTC").unwrap();
    assert_eq!(
        order.confirmed(end, date),
        Err(NotInState(OrderStatus::Expired))
    );
    assert_eq!(
        order.cancelled(None, end),
        Err(CancelError::State(OrderStatus::Expired))
    );
    let swept = order.expired(end).unwrap();
    assert_eq!((swept.status, swept.version), (OrderStatus::Expired, 2));
    assert_eq!(swept.expired(end), None);
    let placed = order.confirmed(before, date).unwrap();
    assert_eq!(placed.status_at(end), OrderStatus::Confirmed);
}

#[test]
fn only_a_draft_is_edited_and_later_only_its_notes() {
    let order = draft(vec![line((1, 100, 0))]).unwrap();
    let reference = OrderChange {
        reference: Some(Some("PO-1".into())),
        ..OrderChange::default()
    };
    let notes = OrderChange {
        notes: Some(Some("ring twice".into())),
        ..OrderChange::default()
    };
    let lines = OrderChange {
        lines: Some(vec![line((3, 100, 1900))]),
        ..OrderChange::default()
    };
    let edited = order.changed(reference.clone(), NOW).unwrap();
    assert_eq!(
        (edited.reference.as_deref(), edited.version),
        (Some("PO-1"), 2)
    );
    assert_eq!(edited.changed(reference.clone(), NOW).unwrap().version, 2);
    assert_eq!(
        order.changed(lines.clone(), NOW).unwrap().total(),
        amount(357)
    );
    let placed = confirmed(vec![line((1, 100, 0))]);
    for change in [reference, lines] {
        assert_eq!(
            placed.changed(change, NOW),
            Err(ChangeError::State(OrderStatus::Confirmed))
        );
    }
    assert_eq!(
        placed.changed(notes, NOW).unwrap().notes.as_deref(),
        Some("ring twice")
    );
}
