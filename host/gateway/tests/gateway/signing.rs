//! Requests to @connections that are signed as AWS SDKs sign them.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use tidegate_local_access::Keys;

pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "secret";
pub(crate) const REGION: &str = "eu-west-1";

/// The keys that the gateway of a test accepts.
pub(crate) fn keys() -> Keys {
    Keys::new(vec![credentials(SECRET_ACCESS_KEY)])
}

pub(crate) fn credentials(secret_access_key: &str) -> Credentials {
    Credentials::new(ACCESS_KEY_ID, secret_access_key, None, None, "test")
}

/// Signs a request, which must have a `Host`, with the key of the test.
pub(crate) fn signed(request: Request<Bytes>) -> Request<Bytes> {
    signed_with(request, &credentials(SECRET_ACCESS_KEY), SystemTime::now())
}

/// Signs a request with these credentials, at this time.
pub(crate) fn signed_with(mut request: Request<Bytes>, credentials: &Credentials, time: SystemTime) -> Request<Bytes> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let url = request.uri().path_and_query().unwrap().as_str();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), url, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}
