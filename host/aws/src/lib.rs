//! The ports on DynamoDB.
