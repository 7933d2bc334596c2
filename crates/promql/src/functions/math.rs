//! Functions of single values: `abs`, `ceil`, `floor`, `exp`, `sqrt`, logarithms, `sgn`, trigonometry, `deg`, `rad`.
//!
//! Input: values. Output: values; the metric's name goes.

use super::Function;

fn sgn(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

fn deg(value: f64) -> f64 {
    value * 180.0 / std::f64::consts::PI
}

fn rad(value: f64) -> f64 {
    value * std::f64::consts::PI / 180.0
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::elements("abs", f64::abs),
    Function::elements("ceil", f64::ceil),
    Function::elements("floor", f64::floor),
    Function::elements("exp", f64::exp),
    Function::elements("sqrt", f64::sqrt),
    Function::elements("ln", f64::ln),
    Function::elements("log2", f64::log2),
    Function::elements("log10", f64::log10),
    Function::elements("sgn", sgn),
    Function::elements("sin", f64::sin),
    Function::elements("cos", f64::cos),
    Function::elements("tan", f64::tan),
    Function::elements("asin", f64::asin),
    Function::elements("acos", f64::acos),
    Function::elements("atan", f64::atan),
    Function::elements("sinh", f64::sinh),
    Function::elements("cosh", f64::cosh),
    Function::elements("tanh", f64::tanh),
    Function::elements("asinh", f64::asinh),
    Function::elements("acosh", f64::acosh),
    Function::elements("atanh", f64::atanh),
    Function::elements("deg", deg),
    Function::elements("rad", rad),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_of_zero_and_nan_is_kept() {
        assert_eq!(sgn(-3.0), -1.0);
        assert_eq!(sgn(-0.0).to_bits(), (-0.0f64).to_bits());
        assert!(sgn(f64::NAN).is_nan());
        assert_eq!(deg(rad(180.0)), 180.0);
    }
}
