//! What producer, consumer and admin have in common.

use super::admin::{Admin, AdminCommand, AdminOutput};
use super::consumer::{Consumer, ConsumerCommand, ConsumerOutput};
use super::event::{ClientEffect, ClientEvent};
use super::producer::{Producer, ProducerCommand, ProducerOutput};
use crate::now::Now;

/// A producer, consumer or admin: what an edge can drive.
pub trait ClientMachine {
    /// What the application asks.
    type Command;
    /// What the application is told.
    type Output;
    /// Feeds one event and collects the effects.
    fn handle(
        &mut self,
        now: Now,
        event: ClientEvent<Self::Command>,
        effects: &mut Vec<ClientEffect<Self::Output>>,
    );
}

macro_rules! client_machine {
    ($machine:ty, $command:ty, $output:ty) => {
        impl ClientMachine for $machine {
            type Command = $command;
            type Output = $output;
            fn handle(
                &mut self,
                now: Now,
                event: ClientEvent<$command>,
                effects: &mut Vec<ClientEffect<$output>>,
            ) {
                <$machine>::handle(self, now, event, effects);
            }
        }
    };
}
client_machine!(Producer, ProducerCommand, ProducerOutput);
client_machine!(Consumer, ConsumerCommand, ConsumerOutput);
client_machine!(Admin, AdminCommand, AdminOutput);
