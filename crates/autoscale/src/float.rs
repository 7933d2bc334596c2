//! Floating point numbers as whole ones, as a controller's processor turns them.
//!
//! Input: numbers that may be infinite or no number. Output: whole numbers; what does not fit is the smallest one, as on
//! amd64. Rounding is the caller's.

/// The whole part in 32 bits.
pub(crate) fn to_i32(number: f64) -> i32 {
    let whole = number.trunc();
    if (-2_147_483_648.0..=2_147_483_647.0).contains(&whole) { whole as i32 } else { i32::MIN }
}

/// The whole part in 64 bits.
pub(crate) fn to_i64(number: f64) -> i64 {
    let whole = number.trunc();
    // the upper end is not a 64-bit number, the one before it is
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        whole as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As measured with the compiler that builds Kubernetes, on amd64.
    #[test]
    fn what_does_not_fit_is_the_smallest_number() {
        let check = |number: f64, narrow: i32, wide: i64| {
            assert_eq!((to_i32(number), to_i64(number)), (narrow, wide), "{number}");
        };
        check(2.9, 2, 2);
        check(-2.9, -2, -2);
        check(2_147_483_647.0, i32::MAX, 2_147_483_647);
        check(2_147_483_648.0, i32::MIN, 2_147_483_648);
        check(-2_147_483_649.0, i32::MIN, -2_147_483_649);
        check(1e19, i32::MIN, i64::MIN);
        check(f64::INFINITY, i32::MIN, i64::MIN);
        check(f64::NAN, i32::MIN, i64::MIN);
    }
}
