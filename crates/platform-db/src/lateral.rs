//! The first rows of each of several places.

/// ` CROSS JOIN LATERAL (…)`: of each row to the left, the first rows `$taken` (columns, FROM and alias) of `$first`
/// (conditions, ORDER BY, LIMIT): from one span of an index, however many rows there are.
///
/// `$none` are conditions by which never a row is found, by key, with a column of the left that is null: `o.region IS
/// NULL`. CockroachDB numbers all rows of every place to find the first of a lateral query that ends in LIMIT
/// (cockroach#165983); one of two branches is asked place by place (cockroach#47388), as on PostgreSQL, which never
/// looks at the second.
#[macro_export]
macro_rules! first_of_each {
    ($taken:expr, $first:expr, $none:expr) => {
        concat!(
            " CROSS JOIN LATERAL ((SELECT ",
            $taken,
            " WHERE ",
            $first,
            ") UNION ALL (SELECT ",
            $taken,
            " WHERE ",
            $none,
            "))"
        )
    };
}
