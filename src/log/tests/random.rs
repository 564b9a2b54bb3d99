//! Random histories against a list of values.

use super::node::*;
use crate::log::backlog::BACKGROUND_RETRY_MS;
use crate::log::*;
use crate::record::BatchFields;
use crate::storage::faulty::Outcome;
use proptest::prelude::*;

const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
enum Action {
    /// Appends a batch; a large one goes to its segment directly.
    Append {
        partition: i32,
        large: bool,
    },
    /// Sends the last batch of a partition's producer again.
    AppendAgain {
        partition: i32,
    },
    /// One step of storage.
    Step {
        outcome: Outcome,
    },
    Settle,
    /// A crash, perhaps after storage has done the next step without telling.
    Crash {
        performed: bool,
    },
    DeleteRecords {
        partition: i32,
        part: f64,
    },
    Move,
    /// Time passes, and retention runs.
    Tick,
}

fn action() -> impl Strategy<Value = Action> {
    let partition = 0..PARTITIONS;
    let outcome = prop_oneof![
        6 => Just(Outcome::Done),
        1 => Just(Outcome::Quota),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::UnknownApplied),
        1 => Just(Outcome::UnknownNotApplied),
    ];
    prop_oneof![
        8 => (partition.clone(), prop::bool::weighted(0.1))
            .prop_map(|(partition, large)| Action::Append { partition, large }),
        2 => partition.clone().prop_map(|partition| Action::AppendAgain { partition }),
        8 => outcome.prop_map(|outcome| Action::Step { outcome }),
        2 => Just(Action::Settle),
        1 => any::<bool>().prop_map(|performed| Action::Crash { performed }),
        1 => (partition, 0.0..1.0f64)
            .prop_map(|(partition, part)| Action::DeleteRecords { partition, part }),
        1 => Just(Action::Move),
        1 => Just(Action::Tick),
    ]
}

/// What a partition must hold.
#[derive(Clone, Default)]
struct Model {
    /// The value at each offset, durable or not.
    values: Vec<Value>,
    durable: usize,
    start: i64,
    /// The starts above it that were asked for and not yet told, rising. A commit takes the last
    /// one of its time, so until it is told a crash may leave any of them.
    asked_starts: Vec<i64>,
}

impl Model {
    fn ask_start(&mut self, offset: i64) {
        if offset > *self.asked_starts.last().unwrap_or(&self.start) {
            self.asked_starts.push(offset);
        }
    }

    fn start_moved(&mut self, offset: i64) {
        assert!(
            self.asked_starts.contains(&offset),
            "the log starts at {offset}, not at {} or one of {:?}",
            self.start,
            self.asked_starts
        );
        self.start = offset;
        self.asked_starts.retain(|asked| *asked > offset);
    }
}

struct Run {
    node: Node,
    models: Vec<Model>,
    next_value: Value,
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 3 * DIRECT_BYTES_MIN as i32,
        ..LogConfig::default()
    }
}

impl Run {
    fn new() -> Run {
        let mut node = Node::with_config(config());
        for partition in 0..PARTITIONS {
            node.ensure(id(partition), config());
        }
        Run {
            node,
            models: vec![Model::default(); PARTITIONS as usize],
            next_value: 0,
        }
    }

    fn model(&mut self, id: PartitionId) -> &mut Model {
        &mut self.models[id.partition as usize]
    }

    fn send(&mut self, partition: i32, sequence: usize, value: Value, large: bool) -> Appended {
        let fields = BatchFields {
            producer_id: i64::from(partition),
            producer_epoch: 0,
            base_sequence: sequence as i32,
            ..BatchFields::default()
        };
        let padding = if large { DIRECT_BYTES_MIN } else { 0 };
        let bytes = batch_of(START_MS, &[value], padding, fields);
        self.node.append(id(partition), bytes).unwrap()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Append { partition, large } => {
                let value = self.next_value;
                self.next_value += 1;
                let sequence = self.model(id(partition)).values.len();
                let appended = self.send(partition, sequence, value, large);
                assert!(!appended.duplicate);
                assert_eq!(appended.base_offset, sequence as i64);
                self.model(id(partition)).values.push(value);
            }
            Action::AppendAgain { partition } => {
                let Some(last) = self.model(id(partition)).values.len().checked_sub(1) else {
                    return;
                };
                let appended = self.send(partition, last, Value::MAX, false);
                assert!(appended.duplicate);
                assert_eq!(appended.base_offset, last as i64);
            }
            Action::Step { outcome } => {
                self.node.step(outcome);
            }
            Action::Settle => self.node.settle(),
            Action::Crash { performed } => self.crash(performed),
            Action::DeleteRecords { partition, part } => {
                let id = id(partition);
                let end = self.node.logs.durable_end(id).unwrap();
                let offset = (end as f64 * part) as i64;
                self.node.logs.delete_records(id, offset).unwrap();
                self.model(id).ask_start(offset);
            }
            Action::Move => {
                for partition in 0..PARTITIONS {
                    self.node.logs.maintenance.want_move(id(partition));
                }
            }
            Action::Tick => {
                self.node.advance(300_000);
                self.node.logs.tick(self.node.now);
            }
        }
        self.take_events();
        self.check();
    }

    fn crash(&mut self, performed: bool) {
        let node = std::mem::replace(&mut self.node, Node::new());
        self.node = match performed {
            true => node.perform_and_crash(&config()),
            false => node.crash(&config()),
        };
        for partition in 0..PARTITIONS {
            self.node.ensure(id(partition), config());
            let end = self.node.logs.log_end_offset(id(partition)).unwrap() as usize;
            let start = self.node.logs.log_start_offset(id(partition)).unwrap();
            let model = self.model(id(partition));
            assert!(end >= model.durable, "durable records are gone");
            model.values.truncate(end);
            model.durable = end;
            if start != model.start {
                model.start_moved(start);
            }
            // What was not stored by then died with its owner.
            model.asked_starts.clear();
        }
    }

    fn take_events(&mut self) {
        for event in self.node.take_events() {
            match event {
                LogEvent::Durable { id, end } => {
                    let model = self.model(id);
                    assert!(end as usize > model.durable);
                    model.durable = end as usize;
                }
                LogEvent::RolledBack { id, end, .. } => {
                    let model = self.model(id);
                    assert_eq!(end as usize, model.durable);
                    model.values.truncate(model.durable);
                }
                LogEvent::LogStartOffset { id, offset } => self.model(id).start_moved(offset),
                LogEvent::Stopped { why, .. } => panic!("{why}"),
                LogEvent::Fatal(error) => panic!("{error}"),
                LogEvent::Opened | LogEvent::Loaded { .. } => {}
            }
        }
    }

    fn check(&mut self) {
        for partition in 0..PARTITIONS {
            let logs = &self.node.logs;
            let model = &self.models[partition as usize];
            let id = id(partition);
            assert_eq!(logs.durable_end(id), Some(model.durable as i64));
            assert_eq!(logs.log_end_offset(id), Some(model.values.len() as i64));
            assert_eq!(logs.log_start_offset(id), Some(model.start));
        }
    }

    fn check_contents(&mut self) {
        // Otherwise the start may move between two reads. After a failure it moves only later.
        self.node.advance(BACKGROUND_RETRY_MS as i64);
        self.node.settle();
        self.take_events();
        for partition in 0..PARTITIONS {
            let found = self.node.records(id(partition));
            self.take_events();
            let model = self.model(id(partition));
            let undone = &model.asked_starts;
            assert!(undone.is_empty(), "asked to start at {undone:?}");
            let start = model.start as usize;
            let expected: Vec<(i64, Value)> = (model.start..)
                .zip(model.values[start..model.durable].iter().copied())
                .collect();
            assert_eq!(found, expected);
        }
    }
}

/// A run that was asked for two starts, the second while the commit of the first is under way.
fn asked_for_two_starts() -> Run {
    let mut run = Run::new();
    for _ in 0..4 {
        run.act(Action::Append {
            partition: 0,
            large: false,
        });
    }
    run.act(Action::Settle);
    run.act(Action::DeleteRecords {
        partition: 0,
        part: 0.25,
    });
    run.act(Action::Step {
        outcome: Outcome::UnknownApplied,
    });
    run.act(Action::DeleteRecords {
        partition: 0,
        part: 0.5,
    });
    assert_eq!(run.models[0].start, 0, "nobody was told");
    run
}

#[test]
fn a_crash_between_two_deletions_leaves_the_start_of_the_first() {
    let mut run = asked_for_two_starts();
    run.act(Action::Crash { performed: false });
    assert_eq!(run.models[0].start, 1);
    // The second died with its owner: nothing of it may come back.
    run.check_contents();
    run.act(Action::Crash { performed: true });
    assert_eq!(run.models[0].start, 1);
}

#[test]
fn a_deletion_that_is_asked_for_while_another_is_under_way_is_done_too() {
    let mut run = asked_for_two_starts();
    run.act(Action::Settle);
    assert_eq!(run.models[0].start, 2);
    run.crash(false);
    assert_eq!(run.models[0].start, 2);
    run.check_contents();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_was_appended_and_became_durable(
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut run = Run::new();
        for (index, action) in actions.into_iter().enumerate() {
            run.act(action);
            if index % 20 == 19 {
                run.check_contents();
            }
        }
        run.crash(false);
        run.check_contents();
    }
}
