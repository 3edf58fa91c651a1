"""The AWS stack of a Tidegate app.

- `stack`: the stack of one app in one stage; it puts the parts below together
- `stages`: the settings of dev, stage and prod
- `package`: the Lambda zip that `tidegate package` writes, and the app inside it
- `rules`: the names and numbers that AWS can hold, as `tidegate check` applies them
- `settings`: the context values of a synthesis
- `errors`: the errors that a user can meet, and their codes
- `tables`: connections, groups and storage
- `releases`: the bucket and the tables of releases
- `permissions`: the IAM statements that follow from the app's grants
- `release_permissions`: the IAM statements of hosts, publishers and activators of releases
- `functions`: the handler and the authorizer
- `api`: the WebSocket API, its routes and its stage
- `access_logs`: the access log of a stage, and the account's role for it
- `alarms`: the CloudWatch alarms
- `acknowledgements`: the cdk-nag findings that are accepted, with their reasons
"""
