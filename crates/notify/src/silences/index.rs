//! Which silences may hold for labels, found without asking each of them.
//!
//! Input: silences by number, each with its matchers; labels. Output: the numbers of those worth asking. A silence stands under what one
//! of its matchers demands, the one that the fewest others share: a value, the beginning of a value, or several of either. Patterns
//! that begin with anything are asked for each label set, once: what they answered is remembered, as neither they nor labels change.

use super::literals::{Beginning, beginnings, contained};
use crate::matchers::Matchers;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tidewatch_model::{Labels, Matcher};

/// The most keys that a silence stands under.
const MOST_KEYS: usize = 32;

/// The most label sets of which is remembered what holds for them.
const MOST_REMEMBERED: usize = 200_000;

type Numbers = BTreeSet<u64>;

/// Finds silences.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_name: HashMap<String, OfName>,
    /// Those that no beginning of a value decides.
    others: BTreeMap<u64, Other>,
    remembered: RefCell<HashMap<Labels, Remembered>>,
}

/// Silences that demand something of one label.
#[derive(Clone, Debug, Default)]
struct OfName {
    by_value: HashMap<String, Numbers>,
    by_beginning: HashMap<String, Numbers>,
    /// How many beginnings have so many bytes.
    lengths: BTreeMap<usize, usize>,
}

#[derive(Clone, Debug)]
struct Other {
    matchers: Matchers,
    /// A label and a text that has to be in its value.
    contained: Option<(String, String)>,
}

/// What the others answered for a label set.
#[derive(Clone, Debug, Default)]
struct Remembered {
    /// The next number that was not asked.
    next: u64,
    matching: Vec<u64>,
    used: bool,
}

/// Where a silence stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Under(String, Vec<Beginning>),
    Others,
}

impl Index {
    /// Takes a silence; its number is higher than all before.
    pub(super) fn insert(&mut self, number: u64, matchers: &Matchers) -> Place {
        let places = matchers.iter().filter_map(|matcher| Some((matcher.name(), demanded(matcher)?)));
        let place = places.min_by_key(|(name, keys)| self.sharing(name, keys));
        let Some((name, keys)) = place else {
            let contained = matchers.iter().find_map(contained);
            self.others.insert(number, Other { matchers: matchers.clone(), contained });
            return Place::Others;
        };
        let of_name = self.by_name.entry(name.to_owned()).or_default();
        for key in &keys {
            of_name.insert(key, number);
        }
        Place::Under(name.to_owned(), keys)
    }

    /// How many silences stand under these keys.
    fn sharing(&self, name: &str, keys: &[Beginning]) -> usize {
        let Some(of_name) = self.by_name.get(name) else { return 0 };
        keys.iter().filter_map(|key| of_name.map(key).get(key.text())).map(BTreeSet::len).sum()
    }

    /// Forgets a silence.
    pub(super) fn remove(&mut self, number: u64, place: &Place) {
        match place {
            Place::Others => {
                self.others.remove(&number);
            }
            Place::Under(name, keys) => {
                if let Some(of_name) = self.by_name.get_mut(name) {
                    keys.iter().for_each(|key| of_name.remove(key, number));
                    if of_name.by_value.is_empty() && of_name.by_beginning.is_empty() {
                        self.by_name.remove(name);
                    }
                }
            }
        }
    }

    /// The numbers of silences that may hold for labels; of those that are no longer of interest none is asked.
    pub(super) fn candidates(&self, labels: &Labels, is_over: impl Fn(u64) -> bool) -> Numbers {
        let mut found = Numbers::new();
        for (name, value) in labels.iter().filter(|_| !self.by_name.is_empty()) {
            let Some(of_name) = self.by_name.get(name) else { continue };
            found.extend(of_name.by_value.get(value).into_iter().flatten());
            for length in of_name.lengths.keys().take_while(|length| **length <= value.len()) {
                let numbers = value.get(..*length).and_then(|text| of_name.by_beginning.get(text));
                found.extend(numbers.into_iter().flatten());
            }
        }
        if !self.others.is_empty() {
            self.ask_others(labels, is_over, &mut found);
        }
        found
    }

    fn ask_others(&self, labels: &Labels, is_over: impl Fn(u64) -> bool, found: &mut Numbers) {
        let mut all = self.remembered.borrow_mut();
        if all.len() >= MOST_REMEMBERED && !all.contains_key(labels) {
            all.clear();
        }
        let remembered = all.entry(labels.clone()).or_default();
        remembered.used = true;
        remembered.matching.retain(|number| self.others.contains_key(number));
        for (number, other) in self.others.range(remembered.next..) {
            if !is_over(*number) && other.matches(labels) {
                remembered.matching.push(*number);
            }
        }
        if let Some((last, _)) = self.others.last_key_value() {
            remembered.next = remembered.next.max(last + 1);
        }
        found.extend(&remembered.matching);
    }

    /// Forgets what was remembered of label sets that nobody asked for since the last time.
    pub(super) fn forget_unused(&mut self) {
        let all = self.remembered.get_mut();
        all.retain(|_, remembered| std::mem::take(&mut remembered.used));
        if self.others.is_empty() {
            *all = HashMap::new();
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.remembered.borrow().len()
    }
}

impl OfName {
    fn map(&self, key: &Beginning) -> &HashMap<String, Numbers> {
        match key {
            Beginning::Whole(_) => &self.by_value,
            Beginning::Start(_) => &self.by_beginning,
        }
    }

    fn insert(&mut self, key: &Beginning, number: u64) {
        match key {
            Beginning::Whole(value) => {
                self.by_value.entry(value.clone()).or_default().insert(number);
            }
            Beginning::Start(text) => {
                if !self.by_beginning.contains_key(text) {
                    *self.lengths.entry(text.len()).or_default() += 1;
                }
                self.by_beginning.entry(text.clone()).or_default().insert(number);
            }
        }
    }

    fn remove(&mut self, key: &Beginning, number: u64) {
        let map = match key {
            Beginning::Whole(_) => &mut self.by_value,
            Beginning::Start(_) => &mut self.by_beginning,
        };
        let Some(numbers) = map.get_mut(key.text()) else { return };
        numbers.remove(&number);
        if !numbers.is_empty() {
            return;
        }
        map.remove(key.text());
        if let Beginning::Start(text) = key
            && let Some(count) = self.lengths.get_mut(&text.len())
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&text.len());
            }
        }
    }
}

impl Other {
    fn matches(&self, labels: &Labels) -> bool {
        let may = self
            .contained
            .as_ref()
            .is_none_or(|(name, text)| labels.get(name).is_some_and(|value| value.contains(text.as_str())));
        may && self.matchers.matches(labels)
    }
}

/// What a matcher demands of the beginning of a value, if it does and it is not too much to look for.
fn demanded(matcher: &Matcher) -> Option<Vec<Beginning>> {
    beginnings(matcher).filter(|keys| (1..=MOST_KEYS).contains(&keys.len()))
}
