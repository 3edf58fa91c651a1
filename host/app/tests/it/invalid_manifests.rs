//! The error of each invalid manifest.

use tidegate_diagnostic::Code;

use crate::support::{ONE_ROUTE, assert_errors, chat, routes};

#[test]
fn unknown_and_missing_keys_are_named_with_a_suggestion() {
    let removed_key = "public-key = \"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"";
    assert_errors(vec![
        (String::new(), Code::ManifestKeyMissing, Some(1), "app", &[]),
        (chat("name = \"chat\"\n", ""), Code::ManifestKeyMissing, Some(2), "app.name", &[]),
        (
            chat("route-selection-expression = \"$request.body.action\"", ""),
            Code::ManifestKeyMissing,
            Some(2),
            "app.route-selection-expression",
            &["`$request.body.action`"],
        ),
        (chat("[config]", "[confg]"), Code::ManifestKeyUnknown, Some(34), "confg", &["`config`?"]),
        (
            chat("[config]", "[zzz]"),
            Code::ManifestKeyUnknown,
            Some(34),
            "zzz",
            &["`app`, `components`, `routes`, `authorizer`, `config`, `keys`"],
        ),
        (
            chat("revoked = true", "revokd = true"),
            Code::ManifestKeyUnknown,
            Some(43),
            "keys.old.revokd",
            &["`revoked`?"],
        ),
        (chat(removed_key, ""), Code::ManifestKeyMissing, Some(41), "keys.old.public-key", &["`tidegate keys new`"]),
        (chat("watch = ", "wach = "), Code::ManifestKeyUnknown, Some(9), "components.chat.wach", &["`watch`?"]),
        (
            chat("source = \"guard.wasm\"", ""),
            Code::ManifestKeyMissing,
            Some(11),
            "components.guard.source",
            &["`.wasm`"],
        ),
        (
            chat("response = true", "respond = true"),
            Code::ManifestKeyUnknown,
            Some(16),
            "routes.chat.respond",
            &["`response`?"],
        ),
        (
            chat("component = \"chat\"\nresponse", "response"),
            Code::ManifestKeyMissing,
            Some(14),
            "routes.chat.component",
            &[],
        ),
        (
            chat("grants.config = [\"motd\"]", "grants.cofig = [\"motd\"]"),
            Code::ManifestKeyUnknown,
            Some(20),
            "routes.chat.grants.cofig",
            &["`config`?"],
        ),
        (
            chat("describe = true,", "descibe = true,"),
            Code::ManifestKeyUnknown,
            Some(18),
            "routes.chat.grants.connections.descibe",
            &["`describe`?"],
        ),
        (
            chat("memory = \"96MiB\"", "handles = 5"),
            Code::ManifestKeyUnknown,
            Some(21),
            "routes.chat.limits.handles",
            &["`memory`, `time`"],
        ),
        (
            chat("identity-source = [", "x = ["),
            Code::ManifestKeyUnknown,
            Some(28),
            "authorizer.x",
            &["`component`, `identity-source`, `grants`, `limits`"],
        ),
        (
            format!("{ONE_ROUTE}[authorizer]\ncomponent = 'b'\n"),
            Code::ManifestKeyMissing,
            Some(6),
            "authorizer.identity-source",
            &["`[]`"],
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_named() {
    assert_errors(vec![
        (
            chat("response = true", "response = \"yes\""),
            Code::ManifestTypeMismatch,
            Some(16),
            "routes.chat.response",
            &["boolean", "found a string"],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = true"),
            Code::ManifestTypeMismatch,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["a string", "found a boolean"],
        ),
        (
            chat("limits = { time = \"500ms\" }", "limits = true"),
            Code::ManifestTypeMismatch,
            Some(32),
            "authorizer.limits",
            &["a table", "found a boolean"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = 64"),
            Code::ManifestTypeMismatch,
            Some(21),
            "routes.chat.limits.memory",
            &["a string", "found an integer"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = 1979-05-27"),
            Code::ManifestTypeMismatch,
            Some(21),
            "routes.chat.limits.memory",
            &["a string", "found a date"],
        ),
        (
            chat("motd = \"hello\"", "motd = 5"),
            Code::ManifestTypeMismatch,
            Some(35),
            "config.motd",
            &["a string", "found an integer"],
        ),
    ]);
}

#[test]
fn invalid_values_are_named() {
    assert_errors(vec![
        (
            chat("MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "MCow"),
            Code::PublicKeyInvalid,
            Some(42),
            "keys.old.public-key",
            &["another value", "`tidegate keys new`"],
        ),
        (
            chat(
                "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
                "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC",
            ),
            Code::PublicKeyInvalid,
            Some(42),
            "keys.old.public-key",
            &["a private key", "`tidegate keys new`"],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"readwrite\""),
            Code::ManifestValueUnknown,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["`readwrite`", "`read-write`?"],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"all\""),
            Code::ManifestValueUnknown,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["`all`", "`read`, `write`, `read-write`"],
        ),
        (
            chat("send = \"self\"", "send = \"own\""),
            Code::ManifestValueUnknown,
            Some(19),
            "routes.chat.grants.messaging.send",
            &["`own`", "`self`, `any`"],
        ),
        (
            chat("broadcast = [\"lobby\", \"room-*\"]", "broadcast = [\"lobby\", \"r*m\"]"),
            Code::GroupPatternInvalid,
            Some(19),
            "routes.chat.grants.messaging.broadcast[1]",
            &["`r*m`", "1 to 256 bytes"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"96MB\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.memory",
            &["`96MB`", "KiB, MiB or GiB"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"1GiB\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.memory",
            &["`1GiB`", "`1MiB`", "`512MiB`"],
        ),
        (
            chat("time = \"1500ms\"", "time = \"30s\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.time",
            &["`30s`", "`10ms`", "`29s`"],
        ),
        (
            chat("time = \"1500ms\"", "time = \"1m\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.time",
            &["`1m`", "ms or s"],
        ),
        (chat("[routes.\"$connect\"]", "[routes.\"\"]"), Code::RouteKeyInvalid, Some(23), "routes.\"\"", &["empty"]),
        (
            chat("\"context.stage\"", "\"header.a\""),
            Code::IdentitySourceInvalid,
            Some(29),
            "authorizer.identity-source[2]",
            &["`header.a`", "`route.request.header.NAME`", "`context.NAME`"],
        ),
    ]);
}

#[test]
fn names_and_empty_values_are_checked() {
    assert_errors(vec![
        (chat("[keys.old]", "[keys.\"o.ld\"]"), Code::NameInvalid, None, "keys.\"o.ld\"", &["`o.ld`", "1 to 64"]),
        (
            chat("stages = [\"dev\", \"prod\"]", "stages = [\"dev\", \"pr/od\"]"),
            Code::StageNameInvalid,
            None,
            "keys.ci.stages",
            &["`pr/od`", "1 to 54"],
        ),
        (chat("name = \"chat\"", "name = \"my chat\""), Code::NameInvalid, None, "app.name", &["`my chat`", "1 to 64"]),
        (
            chat("[components.guard]", "[components.\"gu.ard\"]"),
            Code::NameInvalid,
            None,
            "components.\"gu.ard\"",
            &["`gu.ard`", "1 to 64"],
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"\""),
            Code::ManifestValueInvalid,
            None,
            "components.guard.source",
            &["empty", "`.wasm`"],
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"guard.wasm\"\nbuild = \" \""),
            Code::ManifestValueInvalid,
            None,
            "components.guard.build",
            &["empty", "hint: remove"],
        ),
        (
            chat("rooms = \"read-write\"", "\"\" = \"read\""),
            Code::GrantNameEmpty,
            None,
            "routes.chat.grants.storage",
            &[],
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.config = [\"\"]"),
            Code::GrantNameEmpty,
            None,
            "authorizer.grants.config",
            &[],
        ),
    ]);
}

#[test]
fn rules_of_the_whole_app_are_checked() {
    assert_errors(vec![
        (
            chat("\"$request.body.action\"", "\"$request.action\""),
            Code::SelectionExpressionInvalid,
            None,
            "app.route-selection-expression",
            &["`$request.action`", "`$request.body.NAME`"],
        ),
        (
            chat("\"$request.body.action\"", "\"$request.body.a/$request.body.b\""),
            Code::SelectionExpressionInvalid,
            None,
            "app.route-selection-expression",
            &["`$request.body.a`", "`${request.body.a}`"],
        ),
        (
            chat("component = \"guard\"", "component = \"gard\""),
            Code::ComponentUndefined,
            None,
            "authorizer.component",
            &["`gard`", "`guard`?"],
        ),
        (
            chat("component = \"chat\"\nresponse", "component = \"cat\"\nresponse"),
            Code::ComponentUndefined,
            None,
            "routes.chat.component",
            &["`cat`", "`chat`?"],
        ),
        (ONE_ROUTE.to_owned(), Code::ComponentUndefined, None, "routes.a.component", &["`b`", "`[components.b]`"]),
        (
            chat("component = \"guard\"", "component = \"chat\""),
            Code::ComponentUnused,
            None,
            "components.guard",
            &["hint: "],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$conect\"]"),
            Code::RouteKeyInvalid,
            None,
            "routes.\"$conect\"",
            &["`$connect`?"],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.other]"),
            Code::AuthorizerWithoutConnect,
            None,
            "authorizer",
            &["hint: add `[routes.\"$connect\"]`"],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$connect\"]\nresponse = true"),
            Code::ResponseNotAllowed,
            None,
            "routes.\"$connect\".response",
            &["`$connect`", "hint: remove"],
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.storage = { rooms = \"read\" }"),
            Code::GrantNotAllowed,
            None,
            "authorizer.grants.storage",
            &["`config`", "hint: remove"],
        ),
        (
            "[app]\nname = 'a'\nroute-selection-expression = 'x'\n".to_owned(),
            Code::RoutesMissing,
            None,
            "routes",
            &["`[routes.\"$default\"]`"],
        ),
        (routes(299), Code::RoutesTooMany, None, "routes", &["301", "300", "`$connect`", "`$disconnect`"]),
    ]);
}
