//! The lag of a consumer group, as KEDA's kafka trigger computes it.
//!
//! Input: kafka_exporter's series, instead of the brokers' own answers. Output: the lag that the autoscaler is given, and the lag
//! that decides whether the trigger is active. Offsets that stood still since the last time are remembered, for
//! `excludePersistentLag` only.
//!
//! Per partition (`kafka_topic_partition_current_offset` names them):
//! - a committed offset: the difference to the newest one (`kafka_consumergroup_lag`), 0 for the first figure if it is excluded
//!   as persistent;
//! - no committed offset (the series is missing, or -1): 1 with `offsetResetPolicy: latest`, all messages with `earliest`, 0 in
//!   both cases with `scaleToZeroOnInvalidOffset`.
//!
//! The sum is then cut to `partitions × lagThreshold` (or partitions with lag), so that the autoscaler never asks for more
//! replicas than there are partitions, unless `allowIdleConsumers`. KEDA compares whole replicas before it cuts, so that a lag less
//! than a threshold beyond asks for one replica that has nothing to read; here it does not.
//!
//! The series change with each scrape only. Whether a lag is persistent is therefore decided once for each sample of them, and told
//! again until there is another: two readings of one sample say nothing.

use crate::selector::SeriesSelector;
use crate::{MetricsError, Queries};
use std::collections::{BTreeMap, BTreeSet};
use tidewatch_manifest::KafkaTrigger;
use tidewatch_model::Labels;

const NEWEST: &str = "kafka_topic_partition_current_offset";
const COMMITTED: &str = "kafka_consumergroup_current_offset";
const LAG: &str = "kafka_consumergroup_lag";

/// A topic and one of its partitions.
type Partition = (String, i64);

/// What is known of a partition.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offsets {
    /// The next offset to be written.
    newest: i64,
    /// The next offset to be read; negative when none is committed.
    committed: i64,
    /// What is between them.
    lag: i64,
}

/// The lag of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    /// What the autoscaler is given.
    pub(crate) scaling: i64,
    /// What decides whether the trigger is active.
    pub(crate) activation: i64,
}

/// Remembers where the group's offsets were.
#[derive(Clone, Debug, Default)]
pub(crate) struct KafkaLag {
    previous: BTreeMap<Partition, i64>,
    /// Partitions whose offset stood still between the last two samples.
    standing: BTreeSet<Partition>,
    /// When the last sample was taken, in milliseconds since the Unix epoch.
    sampled_ms: i64,
}

impl KafkaLag {
    /// The lag now.
    pub(crate) fn measure(
        &mut self,
        trigger: &KafkaTrigger,
        queries: &Queries,
        now_ms: i64,
    ) -> Result<Lag, MetricsError> {
        let offsets = read(trigger, queries, now_ms)?;
        let sampled_ms = if trigger.exclude_persistent_lag { sampled(trigger, queries, now_ms)? } else { 0 };
        Ok(self.of(trigger, &offsets, sampled_ms))
    }

    fn of(&mut self, trigger: &KafkaTrigger, offsets: &BTreeMap<Partition, Offsets>, sampled_ms: i64) -> Lag {
        if trigger.exclude_persistent_lag && sampled_ms > self.sampled_ms {
            self.sampled_ms = sampled_ms;
            let stands = |(partition, now): &(&Partition, &Offsets)| {
                now.committed >= 0 && self.previous.get(*partition) == Some(&now.committed)
            };
            self.standing = offsets.iter().filter(stands).map(|(partition, _)| partition.clone()).collect();
            self.previous =
                offsets.iter().map(|(partition, now)| (partition.clone(), now.committed)).collect();
        }
        let mut lag = Lag { scaling: 0, activation: 0 };
        let mut with_lag = 0;
        for (partition, offsets) in offsets {
            let own = self.of_partition(trigger, partition, offsets);
            lag.scaling += own.scaling;
            lag.activation += own.activation;
            with_lag += i64::from(own.scaling > 0);
        }
        lag.scaling = bounded(trigger, lag.scaling, offsets.len() as i64, with_lag);
        lag
    }

    fn of_partition(&self, trigger: &KafkaTrigger, partition: &Partition, offsets: &Offsets) -> Lag {
        let both = |lag| Lag { scaling: lag, activation: lag };
        if offsets.committed < 0 {
            return both(match (trigger.scale_to_zero_on_invalid_offset, trigger.from_earliest) {
                (true, _) => 0,
                (false, true) => offsets.newest,
                (false, false) => 1,
            });
        }
        if trigger.exclude_persistent_lag && self.standing.contains(partition) {
            return Lag { scaling: 0, activation: offsets.lag };
        }
        both(offsets.lag)
    }
}

/// The lag that asks for at most as many replicas as can have work.
fn bounded(trigger: &KafkaTrigger, mut lag: i64, partitions: i64, with_lag: i64) -> i64 {
    let threshold = trigger.lag_threshold;
    let unbounded = trigger.allow_idle_consumers
        && !trigger.limit_to_partitions_with_lag
        && !trigger.ensure_even_distribution;
    if unbounded {
        return lag;
    }
    if trigger.ensure_even_distribution {
        let divides = |count: &i64| partitions % count == 0;
        let even = (1..=partitions).filter(divides).find(|count| count * threshold >= lag);
        lag = even.unwrap_or(partitions) * threshold;
    }
    let most = if trigger.limit_to_partitions_with_lag { with_lag } else { partitions };
    lag.min(most.saturating_mul(threshold))
}

/// When the group's offsets were last measured, in milliseconds since the Unix epoch; 0 when they never were.
fn sampled(trigger: &KafkaTrigger, queries: &Queries, now_ms: i64) -> Result<i64, MetricsError> {
    let mut series = SeriesSelector::named(COMMITTED).equal("consumergroup", &trigger.consumer_group);
    if !trigger.topic.is_empty() {
        series = series.equal("topic", &trigger.topic);
    }
    let found = queries.series(&format!("max(timestamp({series}))"), now_ms)?;
    Ok(found.first().map_or(0, |(_, seconds)| (seconds * 1000.0) as i64))
}

/// What the exporter says of the partitions that count.
fn read(
    trigger: &KafkaTrigger,
    queries: &Queries,
    now_ms: i64,
) -> Result<BTreeMap<Partition, Offsets>, MetricsError> {
    let ask = |metric: &str, group: bool, topics: &[String]| {
        let mut series = SeriesSelector::named(metric);
        if group {
            series = series.equal("consumergroup", &trigger.consumer_group);
        }
        if !topics.is_empty() {
            series = series.any_of("topic", topics.iter().map(String::as_str));
        }
        // The same broker may be scraped through several exporters.
        let found = queries.series(&format!("max by (topic, partition) ({series})"), now_ms)?;
        Ok::<_, MetricsError>(found.iter().filter_map(by_partition).collect::<BTreeMap<_, _>>())
    };
    let mut topics = vec![trigger.topic.clone()];
    if trigger.topic.is_empty() {
        topics = ask(COMMITTED, true, &[])?.into_keys().map(|(topic, _)| topic).collect();
        topics.dedup();
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
    }
    let newest = ask(NEWEST, false, &topics)?;
    let lost = |topic: &&String| !newest.keys().any(|(known, _)| known == *topic);
    if let Some(topic) = topics.iter().find(lost) {
        return Err(MetricsError::NoTopic { topic: topic.clone() });
    }
    let (committed, lag) = (ask(COMMITTED, true, &topics)?, ask(LAG, true, &topics)?);
    let counts = |partition: &Partition| {
        let number = i32::try_from(partition.1).unwrap_or(-1);
        trigger.partitions.is_empty() || trigger.topic.is_empty() || trigger.partitions.contains(&number)
    };
    let offsets = newest.into_iter().filter(|(partition, _)| counts(partition)).map(|(partition, newest)| {
        let lag = lag.get(&partition).copied().unwrap_or(-1);
        // An exporter that gives no offsets gives lags; where both are, a lag of -1 says that none is committed.
        let committed = committed.get(&partition).copied().unwrap_or(if lag < 0 { -1 } else { newest - lag });
        let committed = if lag < 0 { -1 } else { committed };
        (partition, Offsets { newest, committed, lag })
    });
    let offsets: BTreeMap<Partition, Offsets> = offsets.collect();
    if offsets.is_empty() {
        return Err(MetricsError::NoTopic {
            topic: format!("{} (partitions {:?})", trigger.topic, trigger.partitions),
        });
    }
    Ok(offsets)
}

fn by_partition((labels, value): &(Labels, f64)) -> Option<(Partition, i64)> {
    let partition = labels.get("partition")?.parse().ok()?;
    value
        .is_finite()
        .then(|| ((labels.get("topic").unwrap_or_default().to_owned(), partition), *value as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(change: impl FnOnce(&mut KafkaTrigger)) -> KafkaTrigger {
        let mut trigger = KafkaTrigger {
            consumer_group: "g".to_owned(),
            topic: "t".to_owned(),
            partitions: Vec::new(),
            lag_threshold: 10,
            activation_lag_threshold: 0,
            from_earliest: false,
            allow_idle_consumers: false,
            scale_to_zero_on_invalid_offset: false,
            exclude_persistent_lag: false,
            limit_to_partitions_with_lag: false,
            ensure_even_distribution: false,
        };
        change(&mut trigger);
        trigger
    }

    /// Partitions as (newest, committed).
    fn offsets(partitions: &[(i64, i64)]) -> BTreeMap<Partition, Offsets> {
        let of = |(index, (newest, committed)): (usize, &(i64, i64))| {
            let lag = if *committed < 0 { -1 } else { newest - committed };
            (("t".to_owned(), index as i64), Offsets { newest: *newest, committed: *committed, lag })
        };
        partitions.iter().enumerate().map(of).collect()
    }

    fn check(
        change: impl FnOnce(&mut KafkaTrigger),
        partitions: &[(i64, i64)],
        scaling: i64,
        activation: i64,
    ) {
        let trigger = trigger(change);
        let lag = KafkaLag::default().of(&trigger, &offsets(partitions), 1);
        assert_eq!(lag, Lag { scaling, activation }, "{trigger:?} {partitions:?}");
    }

    #[test]
    fn lags_add_up_to_what_the_partitions_can_use() {
        check(|_| {}, &[(10, 4), (7, 7)], 6, 6);
        check(|_| {}, &[(100, 0), (100, 0)], 20, 200);
        check(|_| {}, &[(19, 0), (0, 0)], 19, 19);
        check(|_| {}, &[(29, 0), (0, 0)], 20, 29);
        check(|_| {}, &[(30, 0), (0, 0)], 20, 30);
        check(|one| one.allow_idle_consumers = true, &[(100, 0), (100, 0)], 200, 200);
        check(|one| one.lag_threshold = 50, &[(100, 0), (100, 0)], 100, 200);
    }

    #[test]
    fn partitions_without_an_offset_count_by_the_policy() {
        check(|_| {}, &[(100, -1), (5, 0)], 6, 6);
        check(|one| one.from_earliest = true, &[(13, -1), (5, 0)], 18, 18);
        check(|one| one.scale_to_zero_on_invalid_offset = true, &[(100, -1)], 0, 0);
        check(
            |one| {
                one.scale_to_zero_on_invalid_offset = true;
                one.from_earliest = true;
            },
            &[(100, -1), (3, 1)],
            2,
            2,
        );
    }

    #[test]
    fn replicas_can_be_limited_to_partitions_with_lag() {
        let limit = |one: &mut KafkaTrigger| one.limit_to_partitions_with_lag = true;
        check(limit, &[(100, 0), (0, 0), (0, 0)], 10, 100);
        check(limit, &[(100, 0), (1, 0), (0, 0)], 20, 101);
        check(limit, &[(0, 0)], 0, 0);
    }

    #[test]
    fn replicas_can_be_spread_evenly() {
        let even = |one: &mut KafkaTrigger| one.ensure_even_distribution = true;
        let six = |lag: i64| [(lag, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)];
        check(even, &six(0), 10, 0);
        check(even, &six(11), 20, 11);
        check(even, &six(25), 30, 25);
        check(even, &six(31), 60, 31);
        check(even, &six(500), 60, 500);
    }

    #[test]
    fn a_lag_that_stands_still_can_be_left_out() {
        let trigger = trigger(|one| one.exclude_persistent_lag = true);
        let mut lag = KafkaLag::default();
        let mut measure = |sampled_ms: i64, partitions: &[(i64, i64)]| {
            let lag = lag.of(&trigger, &offsets(partitions), sampled_ms);
            (lag.scaling, lag.activation)
        };
        assert_eq!(measure(1, &[(10, 5), (10, 5)]), (10, 10), "the first time everything counts");
        assert_eq!(measure(1, &[(10, 5), (10, 5)]), (10, 10), "and again in the same sample");
        assert_eq!(measure(2, &[(12, 5), (12, 6)]), (6, 13), "the first partition's offset stands still");
        assert_eq!(measure(2, &[(12, 5), (12, 6)]), (6, 13), "as that sample says every time");
        assert_eq!(measure(3, &[(12, 6), (12, 6)]), (6, 12), "and moves again, while the other stands");
    }
}
