//! The headers of a signed request, as AWS SDKs send them.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

pub(crate) const REGION: &str = "eu-west-1";

pub(crate) fn credentials(access_key_id: &str, secret_access_key: &str) -> Credentials {
    Credentials::new(access_key_id, secret_access_key, Some("token".to_owned()), None, "test")
}

/// Returns the headers of a request to a service at `address`: the signature, and the operation `target`.
pub(crate) fn headers(credentials: &Credentials, address: &str, target: &str, body: &str) -> String {
    let service = if target.starts_with("DynamoDB_20120810.") { "dynamodb" } else { "ssm" };
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let signed = [("host", address), ("x-amz-target", target)];
    let body = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", "/", signed.into_iter(), body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut headers = format!("x-amz-target: {target}\r\n");
    for (name, value) in instructions.headers() {
        headers.push_str(&format!("{name}: {value}\r\n"));
    }
    headers
}
