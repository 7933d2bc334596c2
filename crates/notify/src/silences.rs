//! Silences: what nobody wants to be told of for a while.
//!
//! Input: silences as they are set and ended, labels, the time. Output: which silences hold for labels, and what a change makes of the
//! silences, to be written before it is applied. An active silence is never changed in what it silenced: another start or other
//! matchers end it and make a new one. A function of what it was given: it reads no clock and writes nothing.

mod check;
mod record;

pub(crate) use record::SilenceRecord;

use crate::error::NotifyError;
use crate::matchers::Matchers;
use std::collections::{BTreeMap, HashMap};
use tidewatch_model::{Labels, MatchOp, Matcher};

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
    all: BTreeMap<String, (Silence, Matchers)>,
    /// Ids by a label and the value that it must have.
    by_value: HashMap<(String, String), Vec<String>>,
    /// Ids of those that no one value decides.
    others: Vec<String>,
}

impl Silences {
    pub(crate) fn new(limits: SilenceLimits, retention: i64) -> Self {
        Self { limits, retention, all: BTreeMap::new(), by_value: HashMap::new(), others: Vec::new() }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Silence> {
        self.all.get(id).map(|(silence, _)| silence)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.all.values().map(|(silence, _)| silence)
    }

    /// The ids of those that silence these labels.
    pub(crate) fn silencing(&self, labels: &Labels, now: i64) -> Vec<String> {
        let by_value = labels.iter().flat_map(|(name, value)| {
            self.by_value.get(&(name.to_owned(), value.to_owned())).into_iter().flatten()
        });
        let holds = |id: &&String| {
            self.all.get(*id).is_some_and(|(silence, matchers)| {
                silence.state(now) == SilenceState::Active && matchers.matches(labels)
            })
        };
        let mut ids: Vec<String> = by_value.chain(&self.others).filter(holds).cloned().collect();
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
        let id = silence.id.clone();
        match deciding_value(&silence) {
            Some(key) => self.by_value.entry(key).or_default().push(id.clone()),
            None => self.others.push(id.clone()),
        }
        let matchers = Matchers::new(silence.matchers.clone());
        self.all.insert(id, (silence, matchers));
    }

    fn remove(&mut self, id: &str) {
        let Some((silence, _)) = self.all.remove(id) else { return };
        match deciding_value(&silence) {
            None => self.others.retain(|other| other != id),
            Some(key) => {
                if let Some(ids) = self.by_value.get_mut(&key) {
                    ids.retain(|other| other != id);
                    if ids.is_empty() {
                        self.by_value.remove(&key);
                    }
                }
            }
        }
    }

    /// Forgets those that ended long ago; returns how many.
    pub(crate) fn collect_garbage(&mut self, now: i64) -> usize {
        let over = |silence: &&Silence| silence.ends_at.saturating_add(self.retention) <= now;
        let ids: Vec<String> = self.iter().filter(over).map(|silence| silence.id.clone()).collect();
        ids.iter().for_each(|id| self.remove(id));
        ids.len()
    }

    /// How many there are of each state.
    pub(crate) fn counts(&self, now: i64) -> [(SilenceState, usize); 3] {
        [SilenceState::Active, SilenceState::Pending, SilenceState::Expired]
            .map(|state| (state, self.iter().filter(|silence| silence.state(now) == state).count()))
    }
}

/// A label and the value that it must have.
fn deciding_value(silence: &Silence) -> Option<(String, String)> {
    let decides = |matcher: &&Matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty();
    let matcher = silence.matchers.iter().find(decides)?;
    Some((matcher.name().to_owned(), matcher.value().to_owned()))
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
        assert!(all.by_value.is_empty());
    }
}
