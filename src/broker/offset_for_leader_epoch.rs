//! OffsetForLeaderEpoch (key 23): where an epoch ended, for a client that checks for truncation.

use super::{Broker, Progress};
use crate::protocol::Response;
use crate::protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use crate::protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

pub(super) fn handle(broker: &mut Broker, request: OffsetForLeaderEpochRequest) -> Progress {
    let topics = request
        .topics
        .iter()
        .map(|topic| OffsetForLeaderTopicResult {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|wanted| {
                    let mut answer = EpochEndOffset {
                        partition: wanted.partition,
                        leader_epoch: -1,
                        end_offset: -1,
                        ..Default::default()
                    };
                    let found = broker.leader_of(&topic.topic, wanted.partition).and_then(
                        |(id, partition)| {
                            partition.check_leader(wanted.current_leader_epoch)?;
                            let usable = broker.logs.check_usable(id);
                            usable.map_err(|error| error.error_code())?;
                            let leader_epoch = partition.leader_epoch();
                            Ok((id, leader_epoch, partition.high_watermark()))
                        },
                    );
                    match found {
                        Ok((id, leader_epoch, high_watermark)) => {
                            let (epoch, end) =
                                broker
                                    .logs
                                    .epoch_end_offset(id, wanted.leader_epoch, leader_epoch);
                            answer.leader_epoch = epoch;
                            // Nothing above the high watermark is shown, here neither.
                            answer.end_offset = end.min(high_watermark);
                        }
                        Err(error) => answer.error_code = error.code(),
                    }
                    answer
                })
                .collect(),
            ..Default::default()
        })
        .collect();
    Progress::Respond(Response::OffsetForLeaderEpoch(
        OffsetForLeaderEpochResponse {
            topics,
            ..Default::default()
        },
    ))
}
