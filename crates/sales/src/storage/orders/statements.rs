//! The statements on `sales.orders` and `sales.order_lines`.

/// The columns of order `o`.
macro_rules! order_columns {
    () => {
        "o.region, o.id, o.office, o.customer, o.currency, o.status, o.reference, o.notes, o.subtotal_minor, \
         o.tax_minor, o.paid_minor, o.refunded_minor, o.invoiced_minor, o.credited_minor, o.receivable_minor, \
         o.deposit_minor, o.hold_seconds, o.expires_at, o.placed_at, o.placed_date, o.version, o.created_at, o.updated_at"
    };
}

/// The columns of line `l`.
macro_rules! line_columns {
    () => {
        "l.id AS line, l.item, l.location, l.sku, l.name, l.quantity, l.unit_price_minor, l.tax_rate_bp, l.shipped, \
         l.returned, l.cancelled, l.cost_minor, l.cost_returned_minor"
    };
}

/// A page: each office gives the keys of its first rows from one span of an index, to which `$span` narrows the walk.
macro_rules! page {
    ($span:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", ",
            line_columns!(),
            " FROM (SELECT f.region, f.id FROM unnest($1::TEXT[], $2::TEXT[]) AS w (region, office)",
            platform_db::first_of_each!(
                "x.region, x.id, x.created_at FROM sales.orders AS x",
                concat!(
                    "x.region = w.region AND x.office = w.office AND ",
                    $span,
                    " AND ($8::TEXT IS NULL OR $8::TEXT = CASE WHEN x.status = 'draft' AND x.expires_at <= $9 \
                         THEN 'expired' ELSE x.status END) \
                      AND ($10::UUID IS NULL OR x.customer = $10::UUID) AND ($11::TEXT IS NULL OR x.reference = $11::TEXT) \
                      AND (($12::UUID IS NULL AND $13::TEXT IS NULL) OR EXISTS (SELECT 1 FROM sales.order_lines AS y \
                         WHERE y.region = x.region AND y.order_id = x.id AND ($12::UUID IS NULL OR y.item = $12::UUID) \
                         AND ($13::TEXT IS NULL OR y.location = $13::TEXT))) \
                      AND x.created_at >= $3 AND x.created_at <= $4 AND (x.created_at, x.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY x.created_at ",
                    $direction,
                    ", x.id ",
                    $direction,
                    " LIMIT $7"
                ),
                "x.region = w.region AND x.id = $6 AND w.region IS NULL"
            ),
            " AS f ORDER BY f.created_at ",
            $direction,
            ", f.id ",
            $direction,
            " LIMIT $7) AS k JOIN sales.orders AS o ON o.region = k.region AND o.id = k.id JOIN sales.order_lines AS l ON l.region = o.region AND l.order_id = o.id \
              ORDER BY o.created_at ",
            $direction,
            ", o.id ",
            $direction,
            ", l.line_no"
        )
    };
}

/// Lines of a region, whose columns are in these parameters.
macro_rules! insert_lines {
    ($columns:literal) => {
        concat!(
            "INSERT INTO sales.order_lines (region, id, order_id, line_no, item, location, sku, name, quantity, \
                 unit_price_minor, tax_rate_bp, shipped, returned, cancelled, cost_minor, cost_returned_minor) \
             SELECT $1, n.id, n.order_id, n.line_no, n.item, n.location, n.sku, n.name, n.quantity, \
                 n.unit_price_minor, n.tax_rate_bp, n.shipped, n.returned, n.cancelled, n.cost_minor, \
                 n.cost_returned_minor FROM unnest(",
            $columns,
            ") AS n (id, order_id, line_no, item, location, sku, name, quantity, unit_price_minor, tax_rate_bp, \
                 shipped, returned, cancelled, cost_minor, cost_returned_minor)"
        )
    };
}

pub(super) const GET: &str = concat!(
    "SELECT ",
    order_columns!(),
    ", ",
    line_columns!(),
    " FROM sales.orders AS o JOIN sales.order_lines AS l ON l.region = o.region AND l.order_id = o.id \
      WHERE o.region = ANY ($1) AND o.id = $2 ORDER BY o.region, l.line_no"
);
pub(super) const LOCK: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM sales.orders AS o WHERE o.region = $1 AND o.id = $2 FOR UPDATE"
);
pub(super) const LOCK_LINES: &str = concat!(
    "SELECT ",
    line_columns!(),
    " FROM sales.order_lines AS l WHERE l.region = $1 AND l.order_id = $2 ORDER BY l.line_no FOR UPDATE"
);
pub(super) const ALL_DESC: &str = page!("TRUE", "<", "DESC");
pub(super) const ALL_ASC: &str = page!("TRUE", ">", "ASC");
pub(super) const STATUS_DESC: &str = page!("x.status = $8::TEXT", "<", "DESC");
pub(super) const STATUS_ASC: &str = page!("x.status = $8::TEXT", ">", "ASC");
pub(super) const CUSTOMER_DESC: &str = page!("x.customer = $10::UUID", "<", "DESC");
pub(super) const CUSTOMER_ASC: &str = page!("x.customer = $10::UUID", ">", "ASC");
pub(super) const REFERENCE_DESC: &str = page!("x.reference = $11::TEXT", "<", "DESC");
pub(super) const REFERENCE_ASC: &str = page!("x.reference = $11::TEXT", ">", "ASC");
/// Orders and their lines, in one statement: the database looks at foreign keys when the whole of it is done.
pub(super) const INSERT: &str = concat!(
    "WITH made AS (\
        INSERT INTO sales.orders (region, id, office, customer, currency, status, reference, notes, \
        subtotal_minor, tax_minor, paid_minor, refunded_minor, invoiced_minor, credited_minor, receivable_minor, \
        deposit_minor, hold_seconds, expires_at, placed_at, placed_date, version, created_at, updated_at) \
    SELECT $1, n.id, n.office, n.customer, n.currency, n.status, n.reference, n.notes, n.subtotal_minor, n.tax_minor, \
        0, 0, 0, 0, 0, 0, n.hold_seconds, n.expires_at, NULL, NULL, n.version, n.created_at, n.created_at \
    FROM unnest($2::UUID[], $3::TEXT[], $4::UUID[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::INT8[], \
        $10::INT8[], $11::INT8[], $12::TIMESTAMPTZ[], $13::INT8[], $14::TIMESTAMPTZ[]) \
        AS n (id, office, customer, currency, status, reference, notes, subtotal_minor, tax_minor, hold_seconds, \
              expires_at, version, created_at) RETURNING 1) \
    ",
    insert_lines!(
        "$15::UUID[], $16::UUID[], $17::INT8[], $18::UUID[], $19::TEXT[], $20::TEXT[], $21::TEXT[], $22::INT8[], \
         $23::INT8[], $24::INT8[], $25::INT8[], $26::INT8[], $27::INT8[], $28::INT8[], $29::INT8[]"
    )
);
pub(super) const UPDATE: &str = "UPDATE sales.orders SET customer = $3, status = $4, reference = $5, notes = $6, \
        subtotal_minor = $7, tax_minor = $8, paid_minor = $9, refunded_minor = $10, invoiced_minor = $11, \
        credited_minor = $12, receivable_minor = $13, deposit_minor = $14, placed_at = $15, placed_date = $16, \
        version = $17, updated_at = $18, \
        ended_at = CASE WHEN $4 IN ('fulfilled', 'cancelled', 'expired') THEN coalesce(ended_at, $18) END \
    WHERE region = $1 AND id = $2";
pub(super) const INSERT_LINES: &str = insert_lines!(
    "$2::UUID[], $3::UUID[], $4::INT8[], $5::UUID[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::INT8[], \
     $10::INT8[], $11::INT8[], $12::INT8[], $13::INT8[], $14::INT8[], $15::INT8[], $16::INT8[]"
);
/// What is cancelled by it is kept beside it, with the time: the line alone says how much, but not when.
pub(super) const UPDATE_LINES: &str = "WITH cancelled AS (\
        INSERT INTO sales.order_cancellations (region, order_id, at, line, quantity) \
        SELECT l.region, l.order_id, $8, l.id, n.cancelled - l.cancelled \
        FROM unnest($2::UUID[], $5::INT8[]) AS n (id, cancelled) \
        JOIN sales.order_lines AS l ON l.region = $1 AND l.id = n.id \
        WHERE n.cancelled > l.cancelled RETURNING 1) \
    UPDATE sales.order_lines AS l SET shipped = n.shipped, returned = n.returned, \
        cancelled = n.cancelled, cost_minor = n.cost_minor, cost_returned_minor = n.cost_returned_minor \
    FROM unnest($2::UUID[], $3::INT8[], $4::INT8[], $5::INT8[], $6::INT8[], $7::INT8[]) \
        AS n (id, shipped, returned, cancelled, cost_minor, cost_returned_minor) \
    WHERE l.region = $1 AND l.id = n.id";
pub(super) const DELETE_LINES: &str =
    "DELETE FROM sales.order_lines WHERE region = $1 AND order_id = $2";
pub(super) const DUE: &str = "SELECT id FROM sales.orders \
    WHERE region = $1 AND status = 'draft' AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
/// A draft whose time is up is no open order, written down or not.
pub(super) const HAS_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM sales.orders WHERE region = $1 AND office = $2 \
    AND (status = 'confirmed' OR (status = 'draft' AND expires_at > $3))) AS found";

pub(in crate::storage) const STATEMENTS: &[&str] = &[
    GET,
    LOCK,
    LOCK_LINES,
    ALL_DESC,
    ALL_ASC,
    STATUS_DESC,
    STATUS_ASC,
    CUSTOMER_DESC,
    CUSTOMER_ASC,
    REFERENCE_DESC,
    REFERENCE_ASC,
    INSERT,
    UPDATE,
    INSERT_LINES,
    UPDATE_LINES,
    DELETE_LINES,
    DUE,
    HAS_OPEN,
];
