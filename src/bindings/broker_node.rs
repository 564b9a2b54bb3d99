//! A broker for JavaScript.

use super::error::{self, ErrorObject};
use super::from_js;
use super::trace::Tracer;
use crate::broker::{Broker, BrokerConfig};
use crate::metadata::ControllerConfig;
use crate::metadata::configs::BrokerConfigs;
use crate::protocol::Uuid;
use crate::runtime::{BrokerHost, HostError, seed};
use crate::storage::indexed_db::IndexedDbStorage;
use crate::storage::memory::MemoryStorage;
use js_sys::Function;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::MessagePort;

/// Where a broker with node id 0 would be reached; see `js/host/address.ts`.
const PORT_0: i32 = 9091;

/// The only broker of a cluster, and its controller, in this thread.
#[wasm_bindgen]
pub struct BrokerNode {
    host: BrokerHost,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    cluster: String,
    storage: StorageKind,
    /// By Kafka's names.
    #[serde(default)]
    config: BTreeMap<String, String>,
    /// Of the databases, if it follows a broker of the same page. Then they must be the ones that
    /// that one had; and the clients live on, so that the members do.
    incarnations: Option<[String; 2]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StorageKind {
    IndexedDb,
    Memory,
}

#[wasm_bindgen]
impl BrokerNode {
    /// Opens the cluster's storage, fences off whoever had it before, and starts.
    ///
    /// `on_stop` is called once, with an error object, when the broker cannot go on.
    pub async fn open(options: JsValue, on_stop: Function) -> Result<BrokerNode, JsValue> {
        let Options {
            cluster,
            storage,
            config: mut values,
            incarnations,
        } = from_js(options)?;
        values
            .entry("node.id".to_owned())
            .or_insert_with(|| "1".to_owned());
        let configs =
            BrokerConfigs::new(values).map_err(|error| error::invalid(&error.to_string()))?;
        let node_id = configs.node_id();
        let config = BrokerConfig {
            cluster_id: cluster.clone(),
            configs: configs.clone(),
            advertised_port: (PORT_0.checked_add(node_id))
                .and_then(|port| u16::try_from(port).ok())
                .ok_or_else(|| error::invalid("there is no port for that node id"))?,
            ..BrokerConfig::default()
        };
        let broker = Broker::new(config, Uuid(seed()?))
            .map_err(|_| error::invalid("the cluster's name is too long"))?;
        let controller = ControllerConfig {
            cluster_id: cluster.clone(),
            broker: configs,
            ..ControllerConfig::default()
        };
        let on_stop = move |why: HostError| {
            // What the worker does about it is its own business, and its errors surface there.
            let _ = on_stop.call1(&JsValue::NULL, &error::object(&ErrorObject::from(&why)));
        };
        let host = match storage {
            StorageKind::Memory => {
                let (own, metadata) = (MemoryStorage::new(), MemoryStorage::new());
                BrokerHost::open(broker, controller, own, metadata, on_stop).await
            }
            StorageKind::IndexedDb => {
                let [own, metadata] = [
                    format!("tablog:{cluster}:broker:{node_id}"),
                    format!("tablog:{cluster}:controller"),
                ];
                let (own, metadata) = match &incarnations {
                    Some([of_own, of_metadata]) => (
                        IndexedDbStorage::existing(own, number(of_own)?),
                        IndexedDbStorage::existing(metadata, number(of_metadata)?),
                    ),
                    None => (IndexedDbStorage::new(own), IndexedDbStorage::new(metadata)),
                };
                // The controller's is opened first.
                let metadata = metadata.with_room();
                let own = own.sharing_room_of(&metadata);
                BrokerHost::open(broker, controller, own, metadata, on_stop).await
            }
        };
        let host = host.map_err(|error: HostError| error::object(&ErrorObject::from(&error)))?;
        let serving = host.serving().await;
        serving.map_err(|error| error::object(&ErrorObject::from(&error)))?;
        if incarnations.is_none() {
            host.dismiss_departed_members().await;
        }
        Ok(BrokerNode { host })
    }

    /// Takes a port as one connection, dialled over that wire by a client that lives on `client_host`:
    /// every message is one frame, `null` is its end.
    pub fn connect(&self, port: MessagePort, wire: u32, client_host: Option<String>) {
        self.host.connect(port, wire, client_host);
    }

    /// Lets the members leave that lived on those hosts, but for static ones. That takes a while.
    pub fn dismiss(&self, client_hosts: Vec<String>) {
        self.host.dismiss_soon(client_hosts);
    }

    /// Ends the connections of a wire: the clients at its other end are known to be gone.
    pub fn disconnect(&self, wire: u32) {
        self.host.disconnect(wire);
    }

    /// Of the broker's and the controller's database: what a successor must find.
    #[wasm_bindgen(getter)]
    pub fn incarnations(&self) -> Vec<String> {
        self.host.incarnations().map(|it| it.to_string()).into()
    }

    /// Shows every frame that passes to `watcher`, decoded; null ends it, and what it costs.
    #[wasm_bindgen(js_name = setTap)]
    pub fn set_tap(&self, watcher: Option<Function>) {
        let tracer = Tracer::default();
        self.host.tap().set(watcher.map(|watcher| {
            Rc::new(move |tapped: crate::runtime::TapFrame| {
                if let Some(event) = tracer.trace(&tapped) {
                    // A watcher's own error is not the broker's.
                    let _ = watcher.call1(&JsValue::NULL, &event);
                }
            }) as Rc<dyn Fn(_)>
        }));
    }

    /// Stops. What was acknowledged is stored.
    pub fn close(&self) {
        self.host.close();
    }
}

fn number(incarnation: &str) -> Result<u64, JsValue> {
    let parsed = incarnation.parse();
    parsed.map_err(|_| error::invalid("an incarnation is a number"))
}
