"""The AWS stack of a Tidegate app.

- `stages`: what differs between dev, stage and prod
- `package`: the Lambda zip that `tidegate package` wrote, and the app inside it
- `settings`: the context values that one synthesis takes
- `tables`: connections, groups and storage
- `releases`: the bucket and the tables of releases
- `permissions`: what the app's grants allow, as IAM statements
- `release_permissions`: what hosts, who publishes and who activates may do with releases
- `functions`: the handler and the authorizer
- `api`: the WebSocket API, its routes and its stage
- `access_logs`: a stage's access log, and the account's role for it
- `alarms`: what wakes somebody up
- `acknowledgements`: the cdk-nag findings that are meant to be, with their reasons
- `stack`: one app in one stage
"""
