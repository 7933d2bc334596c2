//! How often each action of the task scenario is chosen.
//!
//! Input: text such as `list=50,create=5`. Output: a choice for each random number. It knows no task.

use crate::{Error, TaskAction};

/// Weights of the actions; their sum is what one counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskWeights {
    weights: [u32; TaskAction::ALL.len()],
}

impl Default for TaskWeights {
    /// Mostly reading, and as much deleted as created.
    fn default() -> Self {
        Self { weights: [50, 20, 10, 10, 5, 5] }
    }
}

impl TaskWeights {
    /// Reads `ACTION=WEIGHT,...`; actions that are not named get 0.
    ///
    /// # Errors
    /// When an action or weight is none, or all weights are 0.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |problem: &str| {
            let hint = "write e.g. list=50,get=20,create=10,update=10,complete=5,delete=5";
            Error::invalid("weights", text, problem, hint)
        };
        let mut weights = [0; TaskAction::ALL.len()];
        for pair in text.split(',') {
            let (name, weight) = pair.split_once('=').ok_or_else(|| wrong("is not ACTION=WEIGHT"))?;
            let action = TaskAction::ALL.iter().position(|action| action.name() == name.trim());
            let weight: u32 = weight.trim().parse().map_err(|_| wrong("a weight is no whole number"))?;
            if weight > 1_000_000 {
                return Err(wrong("a weight is above 1000000"));
            }
            weights[action.ok_or_else(|| wrong("an action is unknown"))?] = weight;
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(wrong("all weights are 0"));
        }
        Ok(Self { weights })
    }

    /// The action of a random number from 0 to below 1.
    pub(crate) fn choose(&self, number: f64) -> TaskAction {
        let total: u32 = self.weights.iter().sum();
        let mut left = (number * f64::from(total)) as u32;
        for (action, weight) in TaskAction::ALL.into_iter().zip(self.weights) {
            if left < weight {
                return action;
            }
            left -= weight;
        }
        TaskAction::List
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_share_the_numbers() {
        let weights = TaskWeights::parse("list=1, create=2,delete=1").unwrap();
        let check =
            |number: f64, expected: TaskAction| assert_eq!(weights.choose(number), expected, "{number}");
        check(0.0, TaskAction::List);
        check(0.2499, TaskAction::List);
        check(0.25, TaskAction::Create);
        check(0.7499, TaskAction::Create);
        check(0.75, TaskAction::Delete);
        check(0.9999, TaskAction::Delete);
    }

    #[test]
    fn wrong_weights_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = TaskWeights::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("hint: write e.g. list=50"), "{error}");
        };
        check("list", "is not ACTION=WEIGHT");
        check("peek=1", "an action is unknown");
        check("list=much", "no whole number");
        check("list=1000001", "above 1000000");
        check("list=0", "all weights are 0");
    }
}
