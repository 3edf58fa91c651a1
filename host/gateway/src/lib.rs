//! API Gateway's WebSocket data plane and @connections endpoint on one machine.
