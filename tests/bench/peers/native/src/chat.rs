//! The AWS clients and the two routes.

use aws_config::BehaviorVersion;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt as _, stream};
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};

use crate::event::{Context, Event, Reply};

/// Number of concurrent posts: Tidegate's initial number.
const POSTS: usize = 64;
/// Page size for members: Tidegate's.
const PAGE: i32 = 1_000;
/// Group of the room that every connection joins.
const LOBBY: &str = "lobby";
/// Parameter of the greeting. Tidegate's host reads its configuration at the start too.
const PARAMETER: &str = "motd";

/// The AWS clients and the configuration.
pub(crate) struct Chat {
    dynamodb: aws_sdk_dynamodb::Client,
    connections: aws_sdk_apigatewaymanagement::Client,
    connections_table: String,
    groups_table: String,
    storage_table: String,
    /// Message of the day for the greeting.
    _motd: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    room: String,
    text: String,
}

#[derive(Serialize)]
struct Frame<'a> {
    r#type: &'a str,
    room: &'a str,
    from: &'a str,
    text: &'a str,
    at: u64,
}

impl Chat {
    pub(crate) async fn new() -> Result<Self, Error> {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let callback = aws_sdk_apigatewaymanagement::config::Builder::from(&config)
            .endpoint_url(std::env::var("API_GATEWAY_URL")?)
            .build();
        let name = format!("{}{PARAMETER}", std::env::var("CONFIG_PREFIX")?);
        let parameters =
            aws_sdk_ssm::Client::new(&config).get_parameters().names(name).with_decryption(true).send().await?;
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            connections: aws_sdk_apigatewaymanagement::Client::from_conf(callback),
            connections_table: std::env::var("CONNECTIONS_TABLE")?,
            groups_table: std::env::var("GROUPS_TABLE")?,
            storage_table: std::env::var("STORAGE_TABLE")?,
            _motd: parameters.parameters().first().and_then(|parameter| parameter.value().map(str::to_owned)),
        })
    }

    pub(crate) async fn answer(&self, event: Event) -> Result<Reply, Error> {
        match event.request_context.route_key.as_str() {
            "echo" => Ok(Reply::ok(Some(event.body))),
            "chat" => self.chat(&event.request_context, &event.body).await,
            _ => Ok(Reply::refusal(400, "the actions are `chat` and `echo`")),
        }
    }

    /// Stores a message and sends it to its room, the sender included.
    async fn chat(&self, context: &Context, body: &str) -> Result<Reply, Error> {
        let Ok(Message { room, text }) = serde_json::from_str(body) else {
            return Ok(Reply::refusal(400, "the message needs `room` and `text`"));
        };
        let group = if room == LOBBY { room.clone() } else { format!("room-{room}") };
        if !self.is_member(&context.connection_id, &group).await? {
            return Ok(Reply::refusal(403, "join the room before you chat there"));
        }
        let principal = context.authorizer.as_ref().and_then(|authorizer| authorizer.principal_id.as_deref());
        let from = principal.unwrap_or("anonymous");
        let at = context.request_time_epoch;
        let frame = Frame { r#type: "message", room: &room, from, text: &text, at };
        self.store(&frame, &context.message_id).await?;
        self.broadcast(&group, serde_json::to_vec(&frame)?).await?;
        Ok(Reply::ok(None))
    }

    async fn is_member(&self, id: &str, group: &str) -> Result<bool, Error> {
        let request = self.dynamodb.get_item().table_name(&self.connections_table).consistent_read(true);
        let answer = request.key("connection_id", AttributeValue::S(id.to_owned())).send().await?;
        let groups = answer.item().and_then(|row| row.get("groups")?.as_ss().ok());
        Ok(groups.is_some_and(|groups| groups.iter().any(|name| name == group)))
    }

    async fn store(&self, frame: &Frame<'_>, message_id: &str) -> Result<(), Error> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self.dynamodb.put_item().table_name(&self.storage_table);
        request
            .item("pk", AttributeValue::S(format!("messages#{}", frame.room)))
            .item("sk", AttributeValue::S(format!("{:020}-{message_id}", frame.at)))
            .item("from", text(frame.from))
            .item("text", text(frame.text))
            .item("at", AttributeValue::N(frame.at.to_string()))
            .send()
            .await?;
        Ok(())
    }

    async fn broadcast(&self, group: &str, frame: Vec<u8>) -> Result<(), Error> {
        let members = self.members(group).await?;
        let frame = Blob::new(frame);
        let posts = members.iter().map(|id| self.post(id, frame.clone()));
        let mut posts = stream::iter(posts).buffer_unordered(POSTS);
        while let Some(posted) = posts.next().await {
            posted?;
        }
        Ok(())
    }

    async fn members(&self, group: &str) -> Result<Vec<String>, Error> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let mut rows = self
            .dynamodb
            .query()
            .table_name(&self.groups_table)
            .consistent_read(true)
            .key_condition_expression("#g = :g")
            .filter_expression("#e > :now")
            .projection_expression("#i")
            .expression_attribute_names("#g", "group")
            .expression_attribute_names("#i", "connection_id")
            .expression_attribute_names("#e", "expires_at")
            .expression_attribute_values(":g", AttributeValue::S(format!("{group}#0")))
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .limit(PAGE)
            .into_paginator()
            .items()
            .send();
        let mut members = Vec::new();
        while let Some(row) = rows.next().await {
            if let Some(AttributeValue::S(id)) = row?.remove("connection_id") {
                members.push(id);
            }
        }
        Ok(members)
    }

    /// Posts to one connection. A connection that is gone is ignored: its row expires.
    async fn post(&self, id: &str, data: Blob) -> Result<(), Error> {
        match self.connections.post_to_connection().connection_id(id).data(data).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_gone_exception()) => Ok(()),
            result => Ok(result.map(|_| ())?),
        }
    }
}
