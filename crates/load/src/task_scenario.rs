//! What a user of the todo application does next: list, read, create, change, complete or delete a task.
//!
//! Input: weights, random numbers, and how earlier actions ended. Output: the next action and its task. A task is used by one
//! action at a time, so that nothing asks for a task that another action deletes; the number of tasks stays near what was
//! asked for, so that lists do not grow. It builds and sends no request.

use crate::TaskWeights;
use std::collections::VecDeque;

/// An action on tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskAction {
    /// A page of the list.
    List,
    /// One task.
    Get,
    /// A new task.
    Create,
    /// A change of a task's text.
    Update,
    /// A task is done.
    Complete,
    /// A task is removed.
    Delete,
}

impl TaskAction {
    /// Every action, in the order in which reports list them.
    pub const ALL: [Self; 6] =
        [Self::List, Self::Get, Self::Create, Self::Update, Self::Complete, Self::Delete];

    /// What weights and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Complete => "complete",
            Self::Delete => "delete",
        }
    }
}

/// The tasks that exist as far as answers tell, and what is done with them.
#[derive(Debug)]
pub(crate) struct TaskScenario {
    weights: TaskWeights,
    /// How many tasks there should be.
    wanted: usize,
    /// Tasks that no action uses right now; the one unused for longest first.
    free: VecDeque<u64>,
    /// Tasks that an action uses.
    used: usize,
    /// Creations under way.
    creating: usize,
    /// Deletions under way, which are among the used.
    deleting: usize,
    pub(crate) created: u64,
    pub(crate) deleted: u64,
}

impl TaskScenario {
    pub(crate) fn new(weights: TaskWeights, wanted: usize) -> Self {
        let (free, used) = (VecDeque::new(), 0);
        Self { weights, wanted, free, used, creating: 0, deleting: 0, created: 0, deleted: 0 }
    }

    /// The action for a random number from 0 to below 1, with its task.
    pub(crate) fn choose(&mut self, number: f64) -> (TaskAction, Option<u64>) {
        let slack = self.wanted / 10 + 1;
        let expected = self.free.len() + self.used + self.creating - self.deleting;
        let action = match self.weights.choose(number) {
            TaskAction::Create if expected >= self.wanted + slack => TaskAction::Delete,
            TaskAction::Delete if expected + slack <= self.wanted => TaskAction::Create,
            action => action,
        };
        match action {
            TaskAction::List => (action, None),
            TaskAction::Create => {
                self.creating += 1;
                (action, None)
            }
            _ => match self.free.pop_front() {
                Some(task) => {
                    self.used += 1;
                    self.deleting += usize::from(action == TaskAction::Delete);
                    (action, Some(task))
                }
                // every task is in use: a list asks for none
                None => (TaskAction::List, None),
            },
        }
    }

    /// How an action ended: for a creation with the new task, if it is known.
    pub(crate) fn finished(&mut self, action: TaskAction, task: Option<u64>, ok: bool) {
        match (action, task) {
            (TaskAction::List, _) => {}
            (TaskAction::Create, task) => {
                self.creating -= 1;
                if let Some(task) = task {
                    self.made(task);
                }
            }
            (TaskAction::Delete, Some(task)) => {
                self.used -= 1;
                self.deleting -= 1;
                if ok {
                    self.deleted += 1;
                } else {
                    self.free.push_back(task);
                }
            }
            (_, Some(task)) => {
                self.used -= 1;
                self.free.push_back(task);
            }
            (_, None) => {}
        }
    }

    /// A task exists.
    pub(crate) fn made(&mut self, task: u64) {
        self.created += 1;
        self.free.push_back(task);
    }

    /// Every task that no action uses; the scenario knows them no more.
    pub(crate) fn take_all(&mut self) -> Vec<u64> {
        self.free.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays random actions; answers come in random order, some fail.
    fn play(weights: &str, wanted: usize, seed: u64) -> (Vec<TaskAction>, usize, usize) {
        let mut scenario = TaskScenario::new(TaskWeights::parse(weights).unwrap(), wanted);
        (0..wanted as u64).for_each(|task| scenario.made(task));
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut open, mut actions, mut next) = (Vec::<(TaskAction, Option<u64>)>::new(), Vec::new(), 1000);
        let (mut lowest, mut highest) = (wanted, wanted);
        for _ in 0..5000 {
            let (action, task) = scenario.choose(random.f64());
            let needs_task = !matches!(action, TaskAction::List | TaskAction::Create);
            assert_eq!(needs_task, task.is_some());
            assert!(task.is_none() || open.iter().all(|(_, used)| *used != task), "{task:?} is used twice");
            actions.push(action);
            open.push((action, task));
            while open.len() > random.usize(1..20) {
                let (action, task) = open.swap_remove(random.usize(..open.len()));
                let ok = random.f64() > 0.05;
                next += 1;
                let task = if action == TaskAction::Create { ok.then_some(next) } else { task };
                scenario.finished(action, task, ok);
            }
            let alive = (scenario.created - scenario.deleted) as usize;
            (lowest, highest) = (lowest.min(alive), highest.max(alive));
        }
        (actions, lowest, highest)
    }

    #[test]
    fn the_number_of_tasks_stays_near_the_wanted_one() {
        let check = |weights: &str| {
            let (_, lowest, highest) = play(weights, 50, 3);
            assert!(lowest >= 50 - 6 - 20 && highest <= 50 + 6 + 20, "{weights}: {lowest} to {highest}");
        };
        check("list=50,get=20,create=10,update=10,complete=5,delete=5");
        check("create=1");
        check("delete=1");
        check("create=9,delete=1");
    }

    #[test]
    fn the_seed_decides_and_every_action_happens() {
        let weights = "list=50,get=20,create=10,update=10,complete=5,delete=5";
        let (actions, ..) = play(weights, 50, 3);
        assert_eq!(actions, play(weights, 50, 3).0);
        assert_ne!(actions, play(weights, 50, 4).0);
        assert!(TaskAction::ALL.iter().all(|action| actions.contains(action)));
    }

    #[test]
    fn without_a_free_task_a_list_is_asked_for() {
        let mut scenario = TaskScenario::new(TaskWeights::parse("get=1").unwrap(), 1);
        assert_eq!(scenario.choose(0.0), (TaskAction::List, None));
        scenario.made(7);
        assert_eq!(scenario.choose(0.0), (TaskAction::Get, Some(7)));
        assert_eq!(scenario.choose(0.0), (TaskAction::List, None));
        scenario.finished(TaskAction::Get, Some(7), false);
        assert_eq!(scenario.take_all(), [7]);
    }
}
