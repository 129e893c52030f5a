//! A place on the globe, and how far it is to another one.
//!
//! Distances are great circles on a sphere: at most 0.6 % off the true ellipsoid, which is enough to tell
//! which office or region is nearer.
#![expect(
    clippy::float_arithmetic,
    reason = "coordinates are the only numbers here that are not exact"
)]

/// Mean radius of the earth in kilometres (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// A place on the globe in decimal degrees, WGS 84. Both numbers are finite and in range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    latitude: f64,
    longitude: f64,
}

/// Which number is not a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// Not between -90 and 90, or not a number.
    #[error("must be a number between -90 and 90")]
    Latitude,
    /// Not between -180 and 180, or not a number.
    #[error("must be a number between -180 and 180")]
    Longitude,
}

impl Point {
    /// The point at these degrees north and east.
    ///
    /// # Errors
    /// Names the first number that is out of range or not finite.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, PointError> {
        if !(-90.0..=90.0).contains(&latitude) {
            Err(PointError::Latitude)
        } else if !(-180.0..=180.0).contains(&longitude) {
            Err(PointError::Longitude)
        } else {
            Ok(Self {
                latitude,
                longitude,
            })
        }
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// The great-circle distance in kilometres, by the haversine formula: exact to a metre also for
    /// neighbours, where the law of cosines loses its digits.
    fn kilometres_to(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_north = ((to - from) / 2.0).sin();
        let half_east = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let haversine = half_north * half_north + from.cos() * to.cos() * half_east * half_east;
        // Rounding may push antipodes a hair above 1, where asin is not a number.
        2.0 * EARTH_RADIUS_KM * haversine.sqrt().min(1.0).asin()
    }
}

/// The great-circle distance, rounded to whole kilometres.
#[must_use]
pub fn distance_km(a: Point, b: Point) -> u32 {
    whole(a.kilometres_to(b))
}

/// The places with their distance from `from` in whole kilometres, nearest first; places at one distance
/// keep their order.
pub fn by_distance<T>(
    from: Point,
    places: impl IntoIterator<Item = T>,
    at: impl Fn(&T) -> Point,
) -> Vec<(u32, T)> {
    let mut ranked: Vec<(f64, T)> = places
        .into_iter()
        .map(|place| (from.kilometres_to(at(&place)), place))
        .collect();
    ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    ranked
        .into_iter()
        .map(|(kilometres, place)| (whole(kilometres), place))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a distance is between 0 and half the circumference, 20 015 km"
)]
fn whole(kilometres: f64) -> u32 {
    kilometres.round() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(latitude: f64, longitude: f64) -> Point {
        Point::new(latitude, longitude).unwrap()
    }

    fn any_point() -> impl Strategy<Value = Point> {
        // The edges are drawn often: poles, antimeridian, equator.
        let latitude =
            prop_oneof![4 => -90.0..=90.0, 1 => Just(90.0), 1 => Just(-90.0), 1 => Just(0.0)];
        let longitude =
            prop_oneof![4 => -180.0..=180.0, 1 => Just(180.0), 1 => Just(-180.0), 1 => Just(0.0)];
        (latitude, longitude).prop_map(|(latitude, longitude)| point(latitude, longitude))
    }

    /// Another way to the same number: the straight line through the globe between two unit vectors.
    fn chord(a: Point, b: Point) -> f64 {
        let vector = |p: Point| {
            let (lat, lon) = (p.latitude.to_radians(), p.longitude.to_radians());
            [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
        };
        let (a, b) = (vector(a), vector(b));
        a.iter()
            .zip(b)
            .map(|(x, y)| (x - y) * (x - y))
            .sum::<f64>()
            .sqrt()
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_at_most_half_way_round(a in any_point(), b in any_point()) {
            prop_assert_eq!(distance_km(a, b), distance_km(b, a));
            prop_assert!(distance_km(a, b) <= 20_015);
            prop_assert_eq!(distance_km(a, a), 0);
        }

        #[test]
        fn no_way_round_is_shorter(a in any_point(), b in any_point(), c in any_point()) {
            // Three roundings of half a kilometre.
            prop_assert!(distance_km(a, c) <= distance_km(a, b) + distance_km(b, c) + 2);
        }

        #[test]
        fn distance_agrees_with_the_straight_line(a in any_point(), b in any_point()) {
            let expected = 2.0 * EARTH_RADIUS_KM * (chord(a, b) / 2.0).min(1.0).asin();
            prop_assert!((a.kilometres_to(b) - expected).abs() < 0.01);
        }

        #[test]
        fn nearest_equals_brute_force(from in any_point(), places in prop::collection::vec(any_point(), 1..30)) {
            let ranked = by_distance(from, places.iter().copied(), |place| *place);
            prop_assert_eq!(ranked.len(), places.len());
            let shortest = places.iter().map(|place| chord(from, *place)).fold(f64::MAX, f64::min);
            prop_assert!((chord(from, ranked[0].1) - shortest).abs() < 1e-9);
            prop_assert!(ranked.is_sorted_by_key(|(distance, _)| *distance));
        }

        #[test]
        fn the_antimeridian_is_no_border(latitude in -90.0..=90.0_f64, other in any_point()) {
            let (east, west) = (point(latitude, 180.0), point(latitude, -180.0));
            prop_assert_eq!(distance_km(east, west), 0);
            prop_assert!(distance_km(east, other).abs_diff(distance_km(west, other)) <= 1);
        }

        #[test]
        fn at_a_pole_every_longitude_is_one_place(a in -180.0..=180.0_f64, b in -180.0..=180.0_f64, other in any_point()) {
            for latitude in [90.0, -90.0] {
                let (a, b) = (point(latitude, a), point(latitude, b));
                prop_assert_eq!(distance_km(a, b), 0);
                prop_assert!(distance_km(a, other).abs_diff(distance_km(b, other)) <= 1);
            }
        }
    }

    #[test]
    fn known_distances() {
        let berlin = point(52.52, 13.405);
        assert_eq!(distance_km(berlin, point(52.2297, 21.0122)), 517); // Warsaw
        assert_eq!(distance_km(berlin, point(40.7128, -74.006)), 6385); // New York
        assert_eq!(distance_km(point(0.0, 0.0), point(0.0, 180.0)), 20_015);
        assert_eq!(distance_km(point(0.0, 179.5), point(0.0, -179.5)), 111);
        assert_eq!(distance_km(point(90.0, 0.0), point(-90.0, 77.0)), 20_015);
    }

    #[test]
    fn what_is_no_coordinate_is_refused_by_name() {
        for bad in [90.000_001, -91.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Point::new(bad, 0.0), Err(PointError::Latitude), "{bad}");
        }
        for bad in [180.000_001, -181.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(Point::new(0.0, bad), Err(PointError::Longitude), "{bad}");
        }
        assert!(Point::new(-90.0, 180.0).is_ok());
    }

    #[test]
    fn places_at_one_distance_keep_their_order() {
        let places = [
            ("first", point(0.0, 10.0)),
            ("second", point(0.0, -10.0)),
            ("near", point(1.0, 1.0)),
        ];
        let names: Vec<_> = by_distance(point(0.0, 0.0), places, |(_, at)| *at)
            .into_iter()
            .map(|(_, (name, _))| name)
            .collect();
        assert_eq!(names, ["near", "first", "second"]);
    }
}
