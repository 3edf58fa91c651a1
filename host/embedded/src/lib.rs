//! DynamoDB in process, behind the AWS SDK's HTTP client interface.
