//! Values as parameters of SSM Parameter Store.
//!
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>

use serde::{Deserialize, Serialize};
use tidegate_ports::Deadline;

use super::Read;
use super::service::Service;

const TARGET: &str = "AmazonSSM.GetParameters";
/// The maximum number of names in one GetParameters request.
const MAX_NAMES: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    names: &'a [String],
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    invalid_parameters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: String,
}

/// Reads the values of `names`.
pub(super) async fn read(service: &Service, names: &[String], deadline: Deadline) -> Read {
    let mut values = Vec::new();
    for names in names.chunks(MAX_NAMES) {
        let answer = service.call::<Answer>(TARGET, &Request { names, with_decryption: true }, deadline).await;
        let answer = answer.map_err(|refusal| (names.join("`, `"), refusal.reason))?;
        values.extend(answer.invalid_parameters.into_iter().map(|name| (name, None)));
        values.extend(answer.parameters.into_iter().map(|parameter| (parameter.name, Some(parameter.value))));
    }
    Ok(values)
}
