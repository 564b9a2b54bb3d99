//! Sends whose topics are not known yet, by topic.
//!
//! Only the first send of a topic can go on, since those behind it may not overtake it. So what
//! happens to a topic concerns its first send, however many wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::client::CommandId;
use crate::now::{Instant, Now};

use super::NewSend;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WaitingSends {
    /// In the order in which they came.
    sends: BTreeMap<u64, WaitingSend>,
    topics: BTreeMap<String, TopicQueue>,
    /// Topics that may be known by now, or whose first send has waited long enough.
    due: BTreeSet<String>,
    timers: BTreeSet<(Instant, String)>,
    came: u64,
}

/// A send that waits for the metadata of its topics.
#[derive(Debug)]
pub(super) struct WaitingSend {
    pub send: NewSend,
    pub wait: TopicWait,
}

/// A question for the partitions of a topic.
#[derive(Debug)]
pub(super) struct PartitionsFor {
    pub id: CommandId,
    pub wait: TopicWait,
}

/// How long a topic that does not exist is waited for: KafkaJS's retries.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopicWait {
    pub give_up_at: Instant,
    /// How often metadata had been read before.
    pub reads_before: u64,
}

/// Who waits for a topic.
#[derive(Debug, Default)]
struct TopicQueue {
    sends: VecDeque<u64>,
    asked: VecDeque<PartitionsFor>,
    timer: Option<Instant>,
}

impl WaitingSends {
    pub fn push(&mut self, send: NewSend, wait: TopicWait) {
        let order = self.came;
        self.came += 1;
        for topic in topics_of(&send) {
            let queue = self.topics.entry(topic.clone()).or_default();
            // One behind others changes nothing.
            if queue.sends.is_empty() {
                self.due.insert(topic.clone());
            }
            queue.sends.push_back(order);
        }
        self.sends.insert(order, WaitingSend { send, wait });
    }

    pub fn ask(&mut self, topic: &str, asked: PartitionsFor) {
        let queue = self.topics.entry(topic.to_string()).or_default();
        if queue.asked.is_empty() {
            self.due.insert(topic.to_string());
        }
        queue.asked.push_back(asked);
    }

    /// Any topic may have become known.
    pub fn metadata_read(&mut self) {
        self.due.extend(self.topics.keys().cloned());
    }

    pub fn is_waited_for(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The next topic to look at.
    pub fn next_due(&mut self, now: Now) -> Option<String> {
        while let Some((at, _)) = self.timers.first()
            && *at <= now.monotonic
            && let Some((_, topic)) = self.timers.pop_first()
        {
            if let Some(queue) = self.topics.get_mut(&topic) {
                queue.timer = None;
            }
            self.due.insert(topic);
        }
        self.due.pop_first()
    }

    /// The first send of the topic, unless it is behind another one in another of its topics.
    pub fn first(&self, topic: &str) -> Option<&WaitingSend> {
        let order = self.topics.get(topic)?.sends.front()?;
        let waiting = self.sends.get(order)?;
        let is_first = |topic| {
            let queue = self.topics.get(topic);
            queue.is_some_and(|queue| queue.sends.front() == Some(order))
        };
        topics_of(&waiting.send).all(is_first).then_some(waiting)
    }

    /// Takes the first send of the topic, as [`WaitingSends::first`] gave it.
    pub fn take_first(&mut self, topic: &str) -> Option<NewSend> {
        let order = *self.topics.get(topic)?.sends.front()?;
        let WaitingSend { send, .. } = self.sends.remove(&order)?;
        for topic in topics_of(&send) {
            if let Some(queue) = self.topics.get_mut(topic) {
                queue.sends.pop_front();
                self.due.insert(topic.clone());
            }
        }
        Some(send)
    }

    /// The first who asked for the topic's partitions.
    pub fn first_asked(&self, topic: &str) -> Option<&PartitionsFor> {
        self.topics.get(topic)?.asked.front()
    }

    pub fn take_asked(&mut self, topic: &str) -> Option<PartitionsFor> {
        self.topics.get_mut(topic)?.asked.pop_front()
    }

    /// The topic has been looked at: it is due again when the first who waits has waited long
    /// enough. Forgets a topic that nobody waits for; gives whether it did.
    pub fn looked_at(&mut self, now: Now, topic: &str) -> bool {
        let Some(queue) = self.topics.get_mut(topic) else {
            return false;
        };
        if let Some(at) = queue.timer.take() {
            self.timers.remove(&(at, topic.to_string()));
        }
        if queue.sends.is_empty() && queue.asked.is_empty() {
            self.topics.remove(topic);
            return true;
        }
        let first = queue.sends.front().and_then(|order| self.sends.get(order));
        let deadline = first.map(|first| first.send.deadline);
        let waits = first.map(|first| first.wait);
        let waits = waits
            .into_iter()
            .chain(queue.asked.front().map(|asked| asked.wait));
        let give_ups = waits.map(|wait| wait.give_up_at);
        let at = deadline
            .into_iter()
            .chain(give_ups)
            .filter(|at| *at > now.monotonic);
        if let Some(at) = at.min() {
            queue.timer = Some(at);
            self.timers.insert((at, topic.to_string()));
        }
        false
    }

    /// When there is a topic to look at without any event.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Everybody who asked; they are not answered here any more.
    pub fn drain_asked(&mut self) -> Vec<PartitionsFor> {
        let queues = self.topics.values_mut();
        queues.flat_map(|queue| queue.asked.drain(..)).collect()
    }

    /// After a gap in time everybody waits for as much longer.
    pub fn postpone_deadlines(&mut self, ms: u64) {
        let later = |wait: &mut TopicWait| wait.give_up_at = wait.give_up_at + ms;
        for WaitingSend { send, wait } in self.sends.values_mut() {
            send.deadline = send.deadline + ms;
            later(wait);
        }
        for queue in self.topics.values_mut() {
            queue
                .asked
                .iter_mut()
                .for_each(|asked| later(&mut asked.wait));
        }
        let due = std::mem::take(&mut self.timers);
        for (_, topic) in due {
            if let Some(queue) = self.topics.get_mut(&topic) {
                queue.timer = None;
            }
            self.due.insert(topic);
        }
    }
}

/// Each once, though a send may name a topic again.
fn topics_of(send: &NewSend) -> impl Iterator<Item = &String> {
    let topics = send.topic_messages.iter().map(|(topic, _)| topic);
    topics.collect::<BTreeSet<_>>().into_iter()
}
