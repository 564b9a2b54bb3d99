//! The end of a log that is not in segments yet, and how it will be cut into them.

use super::LogConfig;
use super::layout::{ActiveSegment, dated_ms};
use super::segment::{Segment, must_roll};
use crate::record::BatchHeader;
use bytes::Bytes;
use std::collections::VecDeque;

/// The batches of a log that are journaled, being committed, or waiting for it.
///
/// Each belongs to a segment from its append on, as in Kafka: retention and compaction see the
/// segments of a log that gets a record now and then, whenever they are written.
#[derive(Debug, Default)]
pub(super) struct Tail {
    batches: VecDeque<TailBatch>,
    size_bytes: usize,
    /// Bytes of all batches that were ever pushed and not taken back.
    end_position: u64,
    /// The segment that the next batch may join.
    active: Option<ActiveSegment>,
}

/// A batch of the tail.
#[derive(Clone, Debug)]
pub(super) struct TailBatch {
    pub header: BatchHeader,
    pub bytes: Bytes,
    /// Bytes of the batches that were pushed before it.
    pub position: u64,
    pub appended_ms: i64,
    /// The base offset of its segment.
    pub segment_base: i64,
}

impl TailBatch {
    /// What its age is counted from.
    pub fn dated_ms(&self) -> i64 {
        dated_ms(self.header.max_timestamp, self.appended_ms)
    }
}

impl Tail {
    /// An empty tail behind segments of which `active` grows.
    pub fn behind(active: Option<ActiveSegment>) -> Tail {
        Tail {
            active,
            ..Tail::default()
        }
    }

    /// Takes a batch, into another segment where it must roll.
    pub fn push(
        &mut self,
        config: &LogConfig,
        appended_ms: i64,
        header: BatchHeader,
        bytes: Bytes,
    ) {
        let segment_base = self.place(config, &header, appended_ms);
        let position = self.end_position;
        self.size_bytes += bytes.len();
        self.end_position += bytes.len() as u64;
        self.batches.push_back(TailBatch {
            header,
            bytes,
            position,
            appended_ms,
            segment_base,
        });
    }

    fn place(&mut self, config: &LogConfig, header: &BatchHeader, appended_ms: i64) -> i64 {
        let mut active = match self.active {
            Some(active) if !must_roll(&active, config, header, appended_ms) => active,
            _ => ActiveSegment {
                base_offset: header.base_offset,
                size_bytes: 0,
                rolling_timestamp: header.max_timestamp,
                created_ms: appended_ms,
            },
        };
        active.size_bytes += header.size_in_bytes() as u64;
        self.active = Some(active);
        active.base_offset
    }

    /// Closes the segment that grows.
    pub fn roll(&mut self) {
        self.active = None;
    }

    /// Cuts into segments again, behind those that `stored` ends.
    pub fn place_again(&mut self, config: &LogConfig, stored: Option<ActiveSegment>) {
        self.active = stored;
        for at in 0..self.batches.len() {
            let TailBatch {
                header,
                appended_ms,
                ..
            } = self.batches[at];
            self.batches[at].segment_base = self.place(config, &header, appended_ms);
        }
    }

    /// The segment that grows.
    pub fn active(&self) -> Option<ActiveSegment> {
        self.active
    }

    /// The segment that grew before the first batch, if more may join it: `stored` was it.
    pub fn active_before(&self, stored: Option<ActiveSegment>) -> Option<ActiveSegment> {
        let joined = self.first_segment_base();
        stored.filter(|active| Some(active.base_offset) == joined)
    }

    /// Whether it is in segments that may follow those that end at `segments_end`: in `stored`,
    /// which grows, or in others that begin there.
    pub fn follows(&self, segments_end: i64, stored: Option<ActiveSegment>) -> bool {
        self.first_segment_base().is_none_or(|base| {
            segments_end <= base || stored.is_some_and(|active| active.base_offset == base)
        })
    }

    /// The segment that its first batch is in, or would be.
    fn first_segment_base(&self) -> Option<i64> {
        match self.batches.front() {
            Some(first) => Some(first.segment_base),
            None => self.active.map(|active| active.base_offset),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub fn batches(&self) -> impl Iterator<Item = &TailBatch> {
        self.batches.iter()
    }

    /// The batches from the one that holds `offset` on.
    pub fn from(&self, offset: i64) -> impl Iterator<Item = &TailBatch> {
        let first = self
            .batches
            .partition_point(|batch| batch.header.last_offset() < offset);
        self.batches.range(first..)
    }

    /// How many bytes were pushed before the batch that holds `offset`, which is not below the
    /// tail.
    pub fn position(&self, offset: i64) -> u64 {
        let batch = self.from(offset).next();
        batch.map_or(self.end_position, |batch| batch.position)
    }

    /// Forgets the batches below `offset`: they are in segments now.
    pub fn drop_below(&mut self, offset: i64) {
        while let Some(batch) = self.batches.front()
            && batch.header.last_offset() < offset
        {
            self.size_bytes -= batch.bytes.len();
            self.batches.pop_front();
        }
    }

    /// Takes the batches from `offset` on back.
    pub fn cut_off(&mut self, offset: i64) {
        while let Some(batch) = self.batches.back()
            && batch.header.last_offset() >= offset
        {
            self.size_bytes -= batch.bytes.len();
            self.end_position = batch.position;
            self.batches.pop_back();
        }
    }

    /// The batches from `start` on as the segments that they will be; the first may go on one that
    /// is stored.
    pub fn segments(&self, start: i64) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for batch in self.from(start) {
            let part = Segment {
                base_offset: batch.segment_base,
                last_offset: batch.header.last_offset(),
                max_timestamp: batch.header.max_timestamp,
                size_bytes: batch.bytes.len() as u64,
                appended_ms: batch.appended_ms,
            };
            match segments.last_mut() {
                Some(segment) if segment.base_offset == part.base_offset => segment.join(&part),
                _ => segments.push(part),
            }
        }
        segments
    }
}
