//! What the controller decides: requests are handed on to it, and its answers back.

use super::connections::{RequestContext, RequestToken};
use super::delayed::{Delayed, Wake};
use super::purgatory::{Parked, Watch};
use super::{Broker, Phase, Progress};
use crate::machine::Effect;
use crate::metadata::{CONSUMER_OFFSETS_TOPIC, FollowerEvent, consumer_offsets_topic};
use crate::now::Now;
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use crate::protocol::{ApiKey, Request};
use bytes::Bytes;

/// How long the controller may take to create a topic on somebody's behalf.
const CREATE_TOPICS_TIMEOUT_MS: i32 = 30_000;

impl Broker {
    /// Hands a client's request on; the answer goes back as it comes.
    pub(super) fn forward(&mut self, context: &RequestContext, request: Request) -> Progress {
        if !self.metadata.has_room()
            || self
                .metadata
                .forward(context.token.0, context.api_version, request)
                .is_err()
        {
            // Too many wait already; or a length that Kafka's formats cannot carry: what was decoded
            // in a version can be encoded in it otherwise.
            return Progress::Close;
        }
        Progress::Park(Parked {
            operation: Delayed::Forwarded,
            deadline: None,
            watches: Default::default(),
        })
    }

    /// Asks the controller for topics that a request needs. False when it cannot be asked.
    pub(super) fn create_topics_for(&mut self, token: RequestToken, names: &[String]) -> bool {
        let topics = names.iter().map(|name| self.creatable(name)).collect();
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: CREATE_TOPICS_TIMEOUT_MS,
            ..Default::default()
        };
        let version = ApiKey::CreateTopics.versions().max;
        self.metadata.has_room()
            && self
                .metadata
                .forward(token.0, version, Request::CreateTopics(request))
                .is_ok()
    }

    fn creatable(&self, name: &str) -> CreatableTopic {
        let configs = &self.config.configs;
        if name == CONSUMER_OFFSETS_TOPIC {
            return consumer_offsets_topic(configs);
        }
        CreatableTopic {
            name: name.to_owned(),
            num_partitions: configs.num_partitions(),
            replication_factor: -1,
            ..Default::default()
        }
    }

    /// Takes a frame of the controller.
    pub(super) fn controller_replied(&mut self, now: Now, frame: Bytes) {
        match self.metadata.handle_reply(now, frame) {
            Ok(events) => self.follow(now, events),
            Err(error) => self.stopping = Some(Effect::stop(error)),
        }
    }

    /// Acts on what the controller's answers mean.
    pub(super) fn follow(&mut self, now: Now, events: Vec<FollowerEvent>) {
        for event in events {
            match event {
                FollowerEvent::Registered { .. } => {
                    if let Phase::Starting { registered, .. } = &mut self.phase {
                        *registered = true;
                    }
                    self.run_if_ready(now);
                }
                FollowerEvent::ImageChanged(changes) => self.image_changed(now, &changes),
                FollowerEvent::Reply { token, response } => {
                    let token = RequestToken(token);
                    match self.take_forwarded(token) {
                        Some(Delayed::AwaitsTopics(request)) => {
                            self.start_over(now, token, request);
                        }
                        Some(Delayed::Forwarded) => self.respond(token, &response),
                        _ => {}
                    }
                }
                FollowerEvent::ProducerIds => {
                    self.moved.insert(Watch::ProducerIds);
                }
                FollowerEvent::NoProducerIds(error) => {
                    self.wake_watching(now, Watch::ProducerIds, Wake::NoProducerIds(error));
                }
                FollowerEvent::Fenced => {
                    self.stopping = Some(Effect::stop(
                        "another incarnation of this broker has started",
                    ));
                }
            }
        }
    }
}
