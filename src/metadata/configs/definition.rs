//! What a config may be: its type, its default, its limits.

use super::double::Double;
use crate::distinct::distinct_by;
use crate::protocol::ErrorCode;
use std::fmt;

/// One config: what values it takes, what it is when nobody sets it, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct ConfigDefinition {
    /// Kafka's name.
    pub name: &'static str,
    /// What its values are.
    pub config_type: ConfigType,
    /// The value when nobody sets it; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// Which values of the type are valid.
    pub validator: Validator,
    /// For a topic's config: the broker config that gives the default for all topics.
    pub broker_name: Option<&'static str>,
    /// One or two sentences for people, in DescribeConfigs.
    pub documentation: &'static str,
    /// Which of Kafka's valid values are served here.
    pub supported: Supported,
    /// Accepted, but not described (`ConfigDef.defineInternal`).
    pub internal: bool,
}

/// The type of a config's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
}

/// Which values of a config's type are valid.
#[derive(Clone, Copy, Debug)]
pub enum Validator {
    /// All.
    Any,
    /// Numbers from this one.
    AtLeast(i64),
    /// Numbers from the first to the second.
    Between(i64, i64),
    /// Numbers from the first to the second, and one more.
    BetweenOr(i64, i64, i64),
    /// These words; of a list, every item.
    OneOf(&'static [&'static str]),
    /// `*`, or `partition:broker` items.
    ThrottledReplicas,
}

/// Which valid values are served. What a browser's broker cannot do is refused, never ignored.
#[derive(Clone, Copy, Debug)]
pub enum Supported {
    /// All.
    All,
    /// Only these; the second says why.
    Only(&'static [&'static str], &'static str),
}

/// Why a config was refused. The sentences are Kafka's where Kafka refuses it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No topic config has this name.
    UnknownTopicConfig {
        /// The name given.
        name: String,
    },
    /// No broker config has this name.
    UnknownBrokerConfig {
        /// The name given.
        name: String,
    },
    /// The value is not of the config's type, or out of its range.
    InvalidValue {
        /// The config.
        name: String,
        /// The value given.
        value: String,
        /// What a value must be.
        reason: String,
    },
    /// Kafka would take the value, this broker cannot honour it.
    Unsupported {
        /// The config.
        name: String,
        /// The value given.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// Tiered storage does not exist here; with Kafka's sentence.
    TieredStorage,
    /// The two lags contradict each other.
    CompactionLags {
        /// `min.compaction.lag.ms`.
        min_ms: i64,
        /// `max.compaction.lag.ms`.
        max_ms: i64,
    },
}

impl ConfigError {
    /// INVALID_CONFIG.
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::InvalidConfig
    }

    /// The same error of a config with another name: a broker's that gives a topics' default.
    pub(super) fn named(mut self, new: &str) -> ConfigError {
        if let Self::InvalidValue { name, .. } | Self::Unsupported { name, .. } = &mut self {
            *name = new.to_string();
        }
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTopicConfig { name } => write!(f, "Unknown topic config name: {name}"),
            Self::UnknownBrokerConfig { name } => write!(f, "Unknown broker config name: {name}"),
            Self::InvalidValue {
                name,
                value,
                reason,
            } => {
                write!(
                    f,
                    "Invalid value {value} for configuration {name}: {reason}"
                )
            }
            Self::Unsupported {
                name,
                value,
                reason,
            } => {
                write!(
                    f,
                    "Unsupported value {value} for configuration {name}: {reason}"
                )
            }
            Self::TieredStorage => f.write_str(
                "Tiered Storage functionality is disabled in the broker. \
                 Topic cannot be configured with remote log storage.",
            ),
            Self::CompactionLags { min_ms, max_ms } => write!(
                f,
                "conflict topic config setting min.compaction.lag.ms ({min_ms}) > \
                 max.compaction.lag.ms ({max_ms})"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigDefinition {
    /// A definition that serves every value and that no broker config gives a default.
    pub(super) const fn new(
        name: &'static str,
        config_type: ConfigType,
        default: &'static str,
        validator: Validator,
        documentation: &'static str,
    ) -> ConfigDefinition {
        ConfigDefinition {
            name,
            config_type,
            default: Some(default),
            validator,
            broker_name: None,
            documentation,
            supported: Supported::All,
            internal: false,
        }
    }

    pub(super) const fn of_broker(mut self, broker_name: &'static str) -> ConfigDefinition {
        self.broker_name = Some(broker_name);
        self
    }

    pub(super) const fn only(
        mut self,
        values: &'static [&'static str],
        reason: &'static str,
    ) -> ConfigDefinition {
        self.supported = Supported::Only(values, reason);
        self
    }

    pub(super) const fn without_default(mut self) -> ConfigDefinition {
        self.default = None;
        self
    }

    pub(super) const fn internal(mut self) -> ConfigDefinition {
        self.internal = true;
        self
    }

    /// Checks a value, and gives it in the form in which it is described: without blanks around
    /// it and, for a list, around its items (`ConfigDef.parseType`, then `convertToString`).
    pub fn parse(&self, value: &str) -> Result<String, ConfigError> {
        let invalid = |reason: String| ConfigError::InvalidValue {
            name: self.name.to_string(),
            value: value.to_string(),
            reason,
        };
        let normal = match self.config_type {
            ConfigType::List => list(value).join(","),
            ConfigType::Boolean => match value.trim().to_ascii_lowercase().as_str() {
                "true" => "true".to_string(),
                "false" => "false".to_string(),
                _ => {
                    return Err(invalid(
                        "Expected value to be either true or false".to_string(),
                    ));
                }
            },
            _ => value.trim().to_string(),
        };
        if let Some(number) = self.number_type() {
            let parsed = match self.config_type {
                ConfigType::Int => normal.parse::<i32>().map(f64::from).ok(),
                ConfigType::Short => normal.parse::<i16>().map(f64::from).ok(),
                ConfigType::Double => normal.parse().map(|Double(number)| number).ok(),
                _ => normal.parse::<i64>().map(|number| number as f64).ok(),
            };
            let Some(parsed) = parsed else {
                return Err(invalid(format!("Not a number of type {number}")));
            };
            self.validator.number(parsed).map_err(invalid)?;
        } else {
            self.validator
                .words(self, &normal)
                .map_err(|(value, reason)| ConfigError::InvalidValue {
                    name: self.name.to_string(),
                    value,
                    reason,
                })?;
        }
        if let Supported::Only(values, reason) = self.supported
            && !values.contains(&normal.as_str())
        {
            return Err(ConfigError::Unsupported {
                name: self.name.to_string(),
                value: normal,
                reason,
            });
        }
        Ok(normal)
    }

    /// The name of the type in Kafka's message, if it is a number's.
    fn number_type(&self) -> Option<&'static str> {
        match self.config_type {
            ConfigType::Int => Some("INT"),
            ConfigType::Short => Some("SHORT"),
            ConfigType::Long => Some("LONG"),
            ConfigType::Double => Some("DOUBLE"),
            ConfigType::Boolean | ConfigType::String | ConfigType::List => None,
        }
    }
}

impl Validator {
    fn number(self, number: f64) -> Result<(), String> {
        let (min, max) = match self {
            Validator::AtLeast(min) => (min, i64::MAX),
            Validator::Between(min, max) => (min, max),
            Validator::BetweenOr(min, max, or) => {
                let inside = (min as f64..=max as f64).contains(&number);
                return if inside || number == or as f64 {
                    Ok(())
                } else {
                    Err(format!(
                        "Value must be between {min} and {max} or equal to {or}"
                    ))
                };
            }
            Validator::Any | Validator::OneOf(_) | Validator::ThrottledReplicas => return Ok(()),
        };
        if number < min as f64 {
            Err(format!("Value must be at least {min}"))
        } else if number > max as f64 {
            Err(format!("Value must be no more than {max}"))
        } else {
            Ok(())
        }
    }

    /// Checks a word, or a list of them. The error names what is wrong, and why.
    fn words(self, definition: &ConfigDefinition, normal: &str) -> Result<(), (String, String)> {
        let items = match definition.config_type {
            ConfigType::List => list(normal),
            _ => vec![normal],
        };
        match self {
            Validator::OneOf(words) => match items.iter().find(|item| !words.contains(item)) {
                Some(item) => Err((
                    item.to_string(),
                    format!("String must be one of: {}", words.join(", ")),
                )),
                None => Ok(()),
            },
            Validator::ThrottledReplicas if !is_throttled_replicas(&items) => Err((
                format!("[{}]", items.join(", ")),
                format!(
                    "{} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    definition.name
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The items of a list, each once; none for an empty value.
pub(super) fn list(value: &str) -> Vec<&str> {
    if value.trim().is_empty() {
        return Vec::new();
    }
    distinct_by(value.split(',').map(str::trim).collect(), |item| *item)
}

fn is_throttled_replicas(items: &[&str]) -> bool {
    items == ["*"]
        || items.iter().all(|item| {
            let parts: Vec<&str> = item.split(':').collect();
            parts.len() == 2 && parts.iter().all(|part| part.parse::<u32>().is_ok())
        })
}
