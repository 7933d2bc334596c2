//! Silences: what nobody wants to be told of for a while.
//!
//! Input: silences as they are set and ended, labels, the time. Output: which silences hold for labels, and what a change makes of the
//! silences, to be written before it is applied. An active silence is never changed in what it silenced: another start or other
//! matchers end it and make a new one. A function of what it was given: it reads no clock and writes nothing.

mod check;
mod index;
mod literals;
mod record;

pub(crate) use record::SilenceRecord;

use crate::error::NotifyError;
use crate::matchers::Matchers;
use index::{Index, Place};
use std::collections::{BTreeMap, HashMap};
use tidewatch_model::{Labels, Matcher};

/// A silence. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Its id; empty for a new one.
    pub id: String,
    /// Which alerts are silenced: all of these have to hold.
    pub matchers: Vec<Matcher>,
    /// From when on; 0 is now.
    pub starts_at: i64,
    /// Until when.
    pub ends_at: i64,
    /// Who set it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
    /// When it was last changed; set by whoever keeps it.
    pub updated_at: i64,
}

/// Whether a silence holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// It does.
    Active,
    /// Not yet.
    Pending,
    /// No longer.
    Expired,
}

impl SilenceState {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Whether it holds at a time, in milliseconds since the Unix epoch.
    pub fn state(&self, now: i64) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now < self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }
}

/// How many silences are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SilenceLimits {
    /// Those that are over included; 0 is no limit.
    pub(crate) count: usize,
    /// Bytes of one as it is written; 0 is no limit.
    pub(crate) bytes: usize,
}

/// All silences.
#[derive(Clone, Debug)]
pub(crate) struct Silences {
    limits: SilenceLimits,
    /// How long a silence is kept after its end.
    retention: i64,
    all: BTreeMap<String, Kept>,
    ids: HashMap<u64, String>,
    index: Index,
    next_number: u64,
}

/// A silence and where the index has it.
#[derive(Clone, Debug)]
struct Kept {
    silence: Silence,
    matchers: Matchers,
    number: u64,
    place: Place,
}

impl Silences {
    pub(crate) fn new(limits: SilenceLimits, retention: i64) -> Self {
        let (all, ids, index) = (BTreeMap::new(), HashMap::new(), Index::default());
        Self { limits, retention, all, ids, index, next_number: 0 }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Silence> {
        self.all.get(id).map(|kept| &kept.silence)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.all.values().map(|kept| &kept.silence)
    }

    /// The ids of those that silence these labels.
    pub(crate) fn silencing(&self, labels: &Labels, now: i64) -> Vec<String> {
        let kept = |number: u64| self.ids.get(&number).and_then(|id| self.all.get(id));
        let is_over =
            |number| kept(number).is_none_or(|kept| kept.silence.state(now) == SilenceState::Expired);
        let candidates = self.index.candidates(labels, is_over).into_iter().filter_map(kept);
        let holding = candidates
            .filter(|kept| kept.silence.state(now) == SilenceState::Active && kept.matchers.matches(labels));
        let mut ids: Vec<String> = holding.map(|kept| kept.silence.id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// What setting a silence makes of the silences: its id, and those to be written and applied.
    ///
    /// # Errors
    /// When it is wrong, too large or one too many, or has an id that is not known.
    pub(crate) fn set(
        &self,
        mut silence: Silence,
        now: i64,
        new_id: impl FnOnce() -> String,
    ) -> Result<(String, Vec<Silence>), NotifyError> {
        check::check(&silence, now).map_err(NotifyError::InvalidSilence)?;
        if silence.starts_at == 0 {
            silence.starts_at = now;
        }
        let previous = self.get(&silence.id);
        if previous.is_none() && !silence.id.is_empty() {
            return Err(NotifyError::SilenceNotFound);
        }
        silence.updated_at = now;
        let mut changed = Vec::new();
        match previous {
            Some(previous) if can_become(previous, &silence, now) => {}
            previous => {
                self.check_count()?;
                silence.id = new_id();
                silence.starts_at = silence.starts_at.max(now);
                changed.extend(previous.and_then(|previous| ended(previous, now)));
            }
        }
        self.check_size(&silence)?;
        let id = silence.id.clone();
        changed.push(silence);
        Ok((id, changed))
    }

    /// What ending a silence makes of it; nothing if it is over.
    ///
    /// # Errors
    /// When no silence has this id.
    pub(crate) fn expire(&self, id: &str, now: i64) -> Result<Option<Silence>, NotifyError> {
        let silence = self.get(id).ok_or(NotifyError::SilenceNotFound)?;
        Ok(ended(silence, now))
    }

    fn check_count(&self) -> Result<(), NotifyError> {
        let (count, most) = (self.all.len(), self.limits.count);
        if most == 0 || count < most {
            return Ok(());
        }
        let message = format!(
            "exceeded maximum number of silences: {count} (limit: {most}); hint: raise --silences.max-silences"
        );
        Err(NotifyError::InvalidSilence(message))
    }

    fn check_size(&self, silence: &Silence) -> Result<(), NotifyError> {
        let (bytes, most) = (SilenceRecord::write(silence).len(), self.limits.bytes);
        if most == 0 || bytes <= most {
            return Ok(());
        }
        let message = format!(
            "silence exceeded maximum size: {bytes} bytes (limit: {most} bytes); hint: raise --silences.max-silence-size-bytes"
        );
        Err(NotifyError::InvalidSilence(message))
    }

    /// Takes a silence as it is.
    pub(crate) fn apply(&mut self, silence: Silence) {
        self.remove(&silence.id);
        let number = self.next_number;
        self.next_number += 1;
        let (id, matchers) = (silence.id.clone(), Matchers::new(silence.matchers.clone()));
        let place = self.index.insert(number, &matchers);
        self.ids.insert(number, id.clone());
        self.all.insert(id, Kept { silence, matchers, number, place });
    }

    fn remove(&mut self, id: &str) {
        if let Some(Kept { number, place, .. }) = self.all.remove(id) {
            self.ids.remove(&number);
            self.index.remove(number, &place);
        }
    }

    /// Forgets those that ended long ago; returns how many.
    pub(crate) fn collect_garbage(&mut self, now: i64) -> usize {
        let over = |silence: &&Silence| silence.ends_at.saturating_add(self.retention) <= now;
        let ids: Vec<String> = self.iter().filter(over).map(|silence| silence.id.clone()).collect();
        ids.iter().for_each(|id| self.remove(id));
        self.index.forget_unused();
        ids.len()
    }

    /// How many there are of each state.
    pub(crate) fn counts(&self, now: i64) -> [(SilenceState, usize); 3] {
        [SilenceState::Active, SilenceState::Pending, SilenceState::Expired]
            .map(|state| (state, self.iter().filter(|silence| silence.state(now) == state).count()))
    }
}

/// The silence ended now; nothing if it was over.
fn ended(silence: &Silence, now: i64) -> Option<Silence> {
    let starts_at = match silence.state(now) {
        SilenceState::Expired => return None,
        SilenceState::Active => silence.starts_at,
        SilenceState::Pending => now,
    };
    Some(Silence { starts_at, ends_at: now, updated_at: now, ..silence.clone() })
}

/// Whether a silence can become another without a change of what it silenced so far.
fn can_become(old: &Silence, new: &Silence, now: i64) -> bool {
    old.matchers == new.matchers
        && match old.state(now) {
            SilenceState::Active => old.starts_at / 1000 == new.starts_at / 1000 && new.ends_at >= now,
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers::parse_matchers;

    const NOW: i64 = 1_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn silences() -> Silences {
        Silences::new(SilenceLimits { count: 0, bytes: 0 }, 10 * HOUR)
    }

    fn silence(matchers: &str, starts_at: i64, ends_at: i64) -> Silence {
        Silence { matchers: parse_matchers(matchers).unwrap(), starts_at, ends_at, ..Silence::default() }
    }

    fn set(silences: &mut Silences, silence: Silence, now: i64) -> Result<String, NotifyError> {
        let next = format!("id-{}", silences.all.len());
        let (id, changed) = silences.set(silence, now, || next)?;
        changed.into_iter().for_each(|silence| silences.apply(silence));
        Ok(id)
    }

    #[test]
    fn silences_hold_for_a_time_and_for_some_labels() {
        let mut all = silences();
        set(&mut all, silence("a=1,b=~\"x|y\"", NOW + 10, NOW + 20), NOW).unwrap();
        set(&mut all, silence("b!=\"\"", 0, NOW + 15), NOW).unwrap();
        let check = |labels: &[(&str, &str)], now: i64, expected: &[&str]| {
            assert_eq!(
                all.silencing(&Labels::from_pairs(labels.iter().copied()), now),
                expected,
                "{labels:?} {now}"
            );
        };
        let both = [("a", "1"), ("b", "x")];
        check(&both, NOW - 1, &[]);
        check(&both, NOW, &["id-1"]);
        check(&both, NOW + 10, &["id-0", "id-1"]);
        check(&both, NOW + 15, &["id-0"]);
        check(&both, NOW + 20, &[]);
        check(&[("a", "1"), ("b", "z")], NOW + 12, &["id-1"]);
        check(&[("a", "1")], NOW + 12, &[]);
        assert_eq!(all.counts(NOW + 1).map(|(_, count)| count), [1, 1, 0]);
    }

    /// Silences come, change and go in an order that is the same each time; at each step what is found is what asking each finds.
    #[test]
    fn what_the_index_finds_is_what_each_silence_says() {
        let texts = [
            "a=1",
            "a=2,b=~\"x.*\"",
            "b=~\"x|y\"",
            "b=~\"x.+|y[0-9].\"",
            "b=~\".*1.*\"",
            "b=~\".*(1|2)\"",
            "a!=1",
            "b=~\"x?y.*\"",
            "a=~\"|1\",b=~\"y.*\"",
            "b=~\"xé.*\"",
            "c=\"\",a=~\".+\"",
            "b!~\"x.*\",a=1",
            "b=~\"(?i)X1\"",
            "b=~\"(x)?y1\"",
            "b=~\"y{0}x1\"",
        ];
        let mut all = Silences::new(SilenceLimits { count: 0, bytes: 0 }, 3);
        let mut random = fastrand::Rng::with_seed(7);
        let values = ["", "1", "2", "x", "x1", "y1", "yy2", "xé1", "y", "X1"];
        for step in 0..3000 {
            let now = NOW + step;
            let ids: Vec<String> = all.iter().map(|silence| silence.id.clone()).collect();
            match random.u8(..4) {
                0 if !ids.is_empty() => {
                    let changed = all.expire(&ids[random.usize(..ids.len())], now).unwrap();
                    changed.into_iter().for_each(|silence| all.apply(silence));
                }
                1 => {
                    all.collect_garbage(now);
                }
                _ if ids.len() < 40 => {
                    let made = silence(texts[random.usize(..texts.len())], 0, now + random.i64(1..30));
                    let id = format!("id-{step}");
                    let (_, changed) = all.set(made, now, || id).unwrap();
                    changed.into_iter().for_each(|silence| all.apply(silence));
                }
                _ => {}
            }
            let value = |random: &mut fastrand::Rng| values[random.usize(..values.len())];
            let labels = [("a", value(&mut random)), ("b", value(&mut random)), ("z", "9")];
            let labels = Labels::from_pairs(labels);
            let holds = |silence: &&Silence| {
                let matchers = Matchers::new(silence.matchers.clone());
                silence.state(now) == SilenceState::Active && matchers.matches(&labels)
            };
            let expected: Vec<String> = all.iter().filter(holds).map(|silence| silence.id.clone()).collect();
            assert_eq!(all.silencing(&labels, now), expected, "step {step} {labels}");
        }
        all.collect_garbage(NOW + HOUR);
        all.collect_garbage(NOW + HOUR);
        assert_eq!((all.ids.len(), all.index.remembered()), (0, 0));
    }

    /// What Alertmanager 0.34.2 did with the same requests.
    #[test]
    fn an_active_silence_is_replaced_unless_only_its_end_changes() {
        let check =
            |old: (i64, i64), new: (i64, i64), matchers: &str, expected_new: bool, expected_old_end: i64| {
                let mut all = silences();
                let id = set(&mut all, silence("a=1", old.0, old.1), NOW - HOUR).unwrap();
                let changed = Silence { id: id.clone(), ..silence(matchers, new.0, new.1) };
                let new_id = set(&mut all, changed, NOW).unwrap();
                assert_eq!(new_id != id, expected_new, "{old:?} {new:?}");
                assert_eq!(all.get(&id).unwrap().ends_at, expected_old_end, "{old:?} {new:?}");
            };
        let (begun, end, later) = (NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR);
        check((begun, end), (begun, later), "a=1", false, later);
        check((begun, end), (begun + 7, later), "a=1", false, later); // the same second
        check((begun, end), (begun + 1000, later), "a=1", true, NOW);
        check((begun, end), (begun, later), "a=2", true, NOW);
        check((end, later), (end + 5, later), "a=1", false, later); // pending
        check((end, later), (NOW - 1, later), "a=1", true, NOW);
        check((begun, NOW - 5), (begun, later), "a=1", true, NOW - 5); // over
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let check = |silence: Silence, expected: &str| {
            let error = set(&mut silences(), silence, NOW).unwrap_err().to_string();
            assert_eq!(error, expected);
        };
        check(silence("", 0, NOW + 1), "invalid silence: matcher set 0 is empty");
        check(
            silence("a=~\".*\",b=\"\"", 0, NOW + 1),
            "invalid silence: matcher set 0: at least one matcher must not match the empty string",
        );
        check(silence("a=1", 0, 0), "Failed to create silence: start time must be before end time");
        check(
            silence("a=1", NOW + 5, NOW + 5),
            "Failed to create silence: start time must be before end time",
        );
        check(silence("a=1", NOW - 5, NOW - 1), "Failed to create silence: end time can't be in the past");
        check(silence("a=1", 0, NOW - 1), "Failed to create silence: end time can't be in the past");
        check(Silence { id: "x".into(), ..silence("a=1", 0, NOW + 1) }, "silence not found");
    }

    #[test]
    fn ending_is_possible_again_and_again() {
        let mut all = silences();
        let id = set(&mut all, silence("a=1", NOW + 5, NOW + 50), NOW).unwrap();
        let ended = all.expire(&id, NOW).unwrap().unwrap();
        assert_eq!((ended.starts_at, ended.ends_at, ended.state(NOW)), (NOW, NOW, SilenceState::Expired));
        all.apply(ended);
        assert_eq!(all.expire(&id, NOW).unwrap(), None);
        assert!(matches!(all.expire("x", NOW), Err(NotifyError::SilenceNotFound)));
    }

    #[test]
    fn limits_name_themselves_and_the_past_is_forgotten() {
        let mut all = Silences::new(SilenceLimits { count: 1, bytes: 400 }, HOUR);
        set(&mut all, silence("a=1", 0, NOW + 1), NOW).unwrap();
        let error = set(&mut all, silence("a=2", 0, NOW + 1), NOW).unwrap_err().to_string();
        assert!(error.starts_with("exceeded maximum number of silences: 1 (limit: 1)"), "{error}");
        assert_eq!(all.collect_garbage(NOW + HOUR), 0);
        assert_eq!(all.collect_garbage(NOW + HOUR + 1), 1);
        let long = Silence { comment: "x".repeat(400), ..silence("a=2", 0, NOW + 2 * HOUR) };
        let error = set(&mut all, long, NOW).unwrap_err().to_string();
        assert!(error.starts_with("silence exceeded maximum size:"), "{error}");
        assert!(all.ids.is_empty());
    }
}
