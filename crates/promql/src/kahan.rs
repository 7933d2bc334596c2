//! Compensated summation: what plain addition of floats loses is carried along.
//!
//! Input: terms one at a time. Output: a sum and its compensation, to be added at the end. Neumaier's variant, in the
//! order of operations that Prometheus has, so that results agree to the last bit.

/// Adds a term to a sum with its compensation.
#[inline]
pub(crate) fn add(term: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + term;
    let lost = if total.is_infinite() {
        return (total, 0.0);
    } else if sum.abs() >= term.abs() {
        (sum - total) + term
    } else {
        (term - total) + sum
    };
    (total, compensation + lost)
}

/// A running mean that survives sums beyond the range of a float.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    /// The sum, or the mean itself once the sum would overflow.
    value: f64,
    compensation: f64,
    count: f64,
    incremental: bool,
}

impl Mean {
    #[inline]
    pub(crate) fn add(&mut self, term: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.value = term;
            return;
        }
        if !self.incremental {
            let (sum, compensation) = add(term, self.value, self.compensation);
            if !sum.is_infinite() {
                (self.value, self.compensation) = (sum, compensation);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let share = (self.count - 1.0) / self.count;
        (self.value, self.compensation) =
            add(term / self.count, share * self.value, share * self.compensation);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    #[inline]
    pub(crate) fn result(&self) -> f64 {
        if self.incremental {
            self.value + self.compensation
        } else {
            self.value / self.count + self.compensation / self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_large_ones() {
        let (sum, compensation) =
            [1.0, 1e100, 1.0, -1e100].iter().fold((0.0, 0.0), |(s, c), term| add(*term, s, c));
        assert_eq!(sum + compensation, 2.0);
    }

    #[test]
    fn the_mean_of_huge_values_is_finite() {
        let mut mean = Mean::default();
        for _ in 0..4 {
            mean.add(1.7e308);
        }
        assert!((mean.result() - 1.7e308).abs() < 1e293);
    }
}
