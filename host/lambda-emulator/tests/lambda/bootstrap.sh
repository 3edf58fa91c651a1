#!/bin/bash
# A function whose steps are in `function.sh` of its package. It asks for an event with `next`, and answers it with
# `respond JSON`.

api() {
    local endpoint=${AWS_LAMBDA_RUNTIME_API#http://}
    local address=${endpoint%%/*} path=/${endpoint#*/}
    exec 3<>"/dev/tcp/${address/:/\/}"
    printf '%s %s/2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
        "$1" "$path" "$2" "$address" "${#3}" "$3" >&3
    answer=$(cat <&3)
}

next() {
    api GET invocation/next ''
    [[ $answer =~ aws-request-id:\ ([-0-9a-f]+) ]]
    id=${BASH_REMATCH[1]}
}

respond() {
    api POST "invocation/$id/response" "$1"
}

. "$LAMBDA_TASK_ROOT/function.sh"
