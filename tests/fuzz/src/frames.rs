//! The frames of a WebSocket.

use arbitrary::Result;
use tidegate_event::{Closing, Event, Payload, Request};

use crate::reference::{CLOSE, CONTINUATION, End, FINAL, Frame, PING, PONG, TEXT, frames as frames_of, messages};
use crate::server::{Server, with_server};
use crate::values::{Source, bytes, count, text};

/// Frames of a client, with what they mean.
struct Script {
    frames: Vec<u8>,
    texts: Vec<String>,
    pings: Vec<Vec<u8>>,
    closing: Closing,
}

/// The messages that reach the app are those of RFC 6455, and `$disconnect` runs once, for any bytes of a client. A
/// client that follows the rules gets an answer to each message, and its close frame back.
pub fn frames(data: &[u8]) {
    let (first, bytes) = data.split_first().unwrap_or((&0, &[]));
    with_server(async |server| raw(server, bytes, usize::from(*first)).await);
    let mut source = Source::new(data);
    let script = script(&mut source).expect("an exhausted source still makes values");
    let first = source.int_in_range(0..=script.frames.len()).expect("an exhausted source still makes values");
    with_server(async |server| valid(server, &script, first).await);
}

/// Sends any bytes.
async fn raw(server: &Server, bytes: &[u8], first: usize) {
    let mut client = server.open().await;
    server.events();
    client.write(bytes, first).await;
    client.finish().await;
    let (texts, closing) = received(server).await;
    let (expected, end) = messages(bytes);
    assert_eq!(texts, expected);
    if let End::Closed(code, reason) = end {
        assert_eq!(closing, Closing { code, reason });
    }
}

/// Sends frames that follow the rules.
async fn valid(server: &Server, script: &Script, first: usize) {
    let mut client = server.open().await;
    server.events();
    client.write(&script.frames, first).await;
    let answers = frames_of(&client.finish().await);
    let (texts, closing) = received(server).await;
    assert_eq!(texts, script.texts);
    assert_eq!(closing, script.closing);
    let of = |opcode: u8| answers.iter().filter(move |frame| frame.opcode() == opcode).map(|frame| &frame.payload);
    assert!(of(TEXT).eq(script.texts.iter().map(|text| text.as_bytes())), "each message is answered in order");
    // A pong may stand for the pings before it.
    let mut pings = script.pings.iter();
    assert!(of(PONG).all(|pong| pings.any(|ping| ping == pong)), "each pong has a ping");
    let close = [script.closing.code.to_be_bytes().as_slice(), script.closing.reason.as_bytes()].concat();
    let back = answers.last().expect("a close frame is answered");
    assert_eq!((back.opcode(), back.payload.get(..2)), (CLOSE, close.get(..2)));
}

/// Waits for `$disconnect`, and returns the messages before it.
async fn received(server: &Server) -> (Vec<String>, Closing) {
    let mut texts = Vec::new();
    let mut closing: Option<Closing> = None;
    while closing.is_none() {
        for Request { event, .. } in server.next_events().await {
            match event {
                Event::Message(message) => match message.data {
                    Payload::Text(text) => texts.push(text),
                    Payload::Binary(_) => panic!("a binary message reached the app"),
                },
                Event::Disconnect(end) => assert_eq!(closing.replace(end), None, "`$disconnect` runs once"),
                other => panic!("an unexpected event: {other:?}"),
            }
        }
    }
    (texts, closing.unwrap())
}

fn script(source: &mut Source<'_>) -> Result<Script> {
    let mut script = Script { frames: Vec::new(), texts: Vec::new(), pings: Vec::new(), closing: closing(source)? };
    for _ in 0..count(source, 0, 6)? {
        let text = match source.arbitrary::<u8>()? {
            0..8 => text(source, 0, 20)?.repeat(count(source, 1, 200)?),
            _ => text(source, 0, 20)?,
        };
        message(source, text.as_bytes(), &mut script)?;
        script.texts.push(text);
    }
    let Closing { code, reason } = &script.closing;
    let payload = [code.to_be_bytes().as_slice(), reason.as_bytes()].concat();
    Frame { first: FINAL | CLOSE, mask: Some(source.arbitrary()?), payload }.write(&mut script.frames);
    Ok(script)
}

/// Writes a message in up to four frames, with pings between them.
fn message(source: &mut Source<'_>, text: &[u8], script: &mut Script) -> Result<()> {
    let mut rest = text;
    let pieces = count(source, 1, 4)?;
    for piece in 1..=pieces {
        let length = if piece == pieces { rest.len() } else { count(source, 0, rest.len())? };
        let (payload, after) = rest.split_at(length);
        rest = after;
        let opcode = if piece == 1 { TEXT } else { CONTINUATION };
        let first = if piece == pieces { FINAL | opcode } else { opcode };
        Frame { first, mask: Some(source.arbitrary()?), payload: payload.to_vec() }.write(&mut script.frames);
        if source.arbitrary::<u8>()? < 32 {
            let payload = bytes(source, 125)?;
            let first = FINAL | if source.arbitrary()? { PING } else { PONG };
            let frame = Frame { first, mask: Some(source.arbitrary()?), payload };
            frame.write(&mut script.frames);
            if first == FINAL | PING {
                script.pings.push(frame.payload);
            }
        }
    }
    Ok(())
}

fn closing(source: &mut Source<'_>) -> Result<Closing> {
    let code = match source.arbitrary::<u8>()? {
        0..128 => 1000,
        _ => source.int_in_range(3000..=4999)?,
    };
    Ok(Closing { code, reason: text(source, 0, 20)? })
}
